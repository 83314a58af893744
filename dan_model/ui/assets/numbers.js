// Numbers as text, as `signed` and `percent` of dan_model/show/tiles.py write them.
const signed = (x, digits = 2) => {
  const size = Math.abs(x).toFixed(digits);
  return Number(size) === 0 ? size : `${x < 0 ? "−" : "+"}${size}`;
};
const percent = (p) => (p < 0.0005 ? "< 0.1 %" : p >= 0.9995 ? "> 99.9 %" : `${(100 * p).toFixed(1)} %`).replaceAll(" ", "\u00a0");
// The index of the largest value.
const largest = (values) => values.indexOf(Math.max(...values));
