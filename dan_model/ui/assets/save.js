// A figure or an enlarged tile as an SVG or PNG file, made in the browser from what is shown.
const INK = "#333333", PNG_SCALE = 3;
const escaped = (text) => {
  const span = document.createElement("span");
  span.textContent = text;
  return span.innerHTML.replaceAll('"', "&quot;").replaceAll("&nbsp;", "\u00a0"); // XML has no &nbsp;
};

// A figure with ink instead of the page's text colour, and with the sizes of its view box.
const figureSvg = (figure) => {
  const copy = figure.cloneNode(true), [, , width, height] = copy.getAttribute("viewBox").split(/\s+/).map(Number);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("style", `color:${INK};font-family:sans-serif;stroke-linejoin:round;stroke-linecap:butt`);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
};

// The enlarged tile: title, map over its face at the chosen opacity, note, and the scale with its ends.
const tileSvg = (dialog) => {
  const side = 448, width = side + 32, part = (selector) => dialog.querySelector(selector);
  const picture = (image, y, opacity = 1) => image?.getAttribute("src")
    ? `<image href="${image.src}" x="16" y="${y}" width="${side}" height="${side}" opacity="${opacity}"/>` : "";
  const bar = part(".dan-bar img"), [low, high] = [...dialog.querySelectorAll(".dan-bar span")].map((one) => one.textContent);
  const line = (text, x, y, anchor = "start", size = 13) =>
    `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="${INK}">${escaped(text)}</text>`;
  const scale = bar
    ? `<image href="${bar.src}" x="16" y="${side + 70}" width="${side}" height="10" preserveAspectRatio="none"/>` +
      line(low, 16, side + 96) + line(part(".dan-bar small").textContent, width / 2, side + 96, "middle") + line(high, 16 + side, side + 96, "end")
    : "";
  const height = side + (bar ? 110 : 70);
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif">` +
    `<rect width="${width}" height="${height}" fill="#ffffff"/>${line(part("h2").textContent, 16, 24, "start", 17)}` +
    picture(part(".dan-under"), 34) + picture(part(".dan-over"), 34, part(".dan-over").style.opacity || 1) +
    `${line(part(".dan-layers figcaption").textContent, 16, side + 56)}${scale}</svg>`;
  return { text, width, height };
};

const toPng = async ({ text, width, height }) => {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [PNG_SCALE * width, PNG_SCALE * height];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};

const saveBlob = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};

// A text as a part of a file's name.
const inName = (text) => text.trim().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(".dan-save");
  if (!button) return;
  const place = button.closest("#dan-enlarged, .dan-view");
  const drawn = place.id === "dan-enlarged" ? tileSvg(place) : figureSvg(place.querySelector("svg"));
  // The predicted class tells the files of several faces apart; a photo's name is never used. A film has many faces.
  const predicted = place.closest("#dan-film-figures") ? "" : document.querySelector("#dan-probabilities [data-predicted]")?.dataset.predicted;
  const name = [predicted ?? "", place.querySelector("h2, h3").textContent].map(inName).filter(Boolean).join("-");
  const { kind } = button.dataset;
  saveBlob(kind === "png" ? await toPng(drawn) : new Blob([drawn.text], { type: "image/svg+xml" }), `dan-${name}.${kind}`);
});
