// Download: the server makes a ZIP file of the face that is shown; the browser saves it.
element.addEventListener("click", async (event) => {
  const button = event.target.closest(".dan-download");
  if (!button || button.disabled) return;
  const status = element.querySelector("[role=status]");
  button.disabled = true;
  status.textContent = translate("Making the file …");
  try {
    const made = await server.make(sessionKey());
    if (made.error) {
      status.textContent = made.error;
      return;
    }
    const bytes = Uint8Array.from(atob(made.data), (c) => c.charCodeAt(0));
    saveBlob(new Blob([bytes], { type: "application/zip" }), made.name);
    status.textContent = "";
  } catch {
    status.textContent = translate("The file could not be made. Try again.");
  } finally {
    button.disabled = false;
  }
});
