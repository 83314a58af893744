// How the page scrolls: smoothly, unless the visitor has asked for less motion.
const scrolling = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");
