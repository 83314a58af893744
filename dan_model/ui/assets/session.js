// The key of the session whose face, and whose way to draw it, is on the page.
const sessionKey = () => document.querySelector("#dan-heads-row .dan-row")?.dataset.session ?? "";
