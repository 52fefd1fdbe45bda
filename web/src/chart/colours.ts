/** Colours of the stylesheet as a canvas takes them. */

/** Reads what a class makes of a custom property, in the scheme that is on. */
export function colourOf(parent: HTMLElement, className: string, property: string): string {
  const probe = document.createElement('span');
  probe.className = className;
  probe.style.color = `var(${property})`;
  probe.hidden = true;
  parent.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The colour with some of it taken away; 0 to 1. */
export function faint(colour: string, alpha: number): string {
  const [red, green, blue] = colour.match(/[\d.]+/g) ?? ['0', '0', '0'];
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}
