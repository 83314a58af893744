// The texts of the scripts in the language of the server; only where that is not English, the page holds translations.
// Fields in braces are filled in. The text stands in the call, in double quotes: `make texts` finds it there.
const translate = (message, fields = {}) => {
  window.danTexts ??= JSON.parse(document.querySelector("#dan-texts [data-texts]")?.dataset.texts ?? "null");
  return (window.danTexts?.[message] ?? message).replace(/\{(\w+)\}/g, (place, name) => fields[name] ?? place);
};
const headName = (head) => translate("Head {number}", { number: head + 1 }); // counted from 0
