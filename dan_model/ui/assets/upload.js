// Photos of phones: browsers have no type for HEIC and some others, and Gradio's upload refuses files that are no image/*.
const PHOTOS = ["heic", "heif", "hif", "avif", "jfif", "mpo", "tif", "tiff", "ppm", "pgm", "pbm", "jxl"];

const ending = (file) => file.name.split(".").pop().toLowerCase();
const untyped = (file) => !file.type.startsWith("image/") && PHOTOS.includes(ending(file));

// The same files, with a type where the ending says that they are images.
const typed = (files) => {
  const moved = new DataTransfer();
  for (const file of files)
    moved.items.add(untyped(file) ? new File([file], file.name, { type: `image/${ending(file)}` }) : file);
  return moved;
};

// Each runs before Gradio's own listeners, which are on elements further inside.
const uploads = (event) => event.target.closest?.("#dan-upload");
const offer = () => {
  for (const input of document.querySelectorAll("#dan-upload input[type=file]"))
    input.accept = ["image/*", ...PHOTOS.map((one) => `.${one}`)].join(",");
};
document.addEventListener("click", (event) => uploads(event) && offer(), true);
document.addEventListener("change", (event) => {
  if (uploads(event) && event.target.files?.length) event.target.files = typed(event.target.files).files;
}, true);
document.addEventListener("drop", (event) => {
  if (!uploads(event) || ![...(event.dataTransfer?.files ?? [])].some(untyped)) return;
  event.preventDefault();
  event.stopPropagation();
  const again = { bubbles: true, cancelable: true, dataTransfer: typed(event.dataTransfer.files) };
  event.target.dispatchEvent(new DragEvent("drop", again));
}, true);
