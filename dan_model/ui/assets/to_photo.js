// A picture that the page has made goes the way of any uploaded photo; one that is there already is taken away first.
const toPhoto = async (blob, name) => {
  const found = (selector) => document.querySelector(`#dan-upload ${selector}`);
  const until = async (ready) => {
    for (let i = 0; i < 100 && !ready(); i++) await new Promise((done) => setTimeout(done, 30));
    return ready();
  };
  const field = () => found("input[type=file]");
  if (!field()) found('button[aria-label="Remove Image"]')?.click();
  if (!(await until(field))) return false;
  const files = new DataTransfer();
  files.items.add(new File([blob], name, { type: blob.type }));
  field().files = files.files;
  field().dispatchEvent(new Event("change", { bubbles: true }));
  window.scrollTo({ top: 0, behavior: scrolling() });
  return true;
};
