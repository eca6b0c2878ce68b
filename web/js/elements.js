const SVG = "http://www.w3.org/2000/svg";

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

export function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// What the evaluation of an index was: a seed, of those tried first, or the noise after so many steps.
export function moment(index, seeds) {
  return index < seeds ? `seed ${index + 1}` : `step ${index - seeds}`;
}

// Four significant digits: 5.123, 0.2870, 21.50, 12345.
export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) < 9999.5 ? value.toPrecision(4) : value.toFixed(0);
}

export function duration(seconds) {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(seconds / 3600).toFixed(1)} h`;
}
