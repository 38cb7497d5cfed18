// What the reader has chosen. It is kept in the address behind "#", so that a link shows the same.

const state = {
  values: new URLSearchParams(),
  followers: [],

  read() {
    const text = location.hash.slice(1);
    // "#note-3" is a place on the page and no choice.
    if (text === "" || text.includes("=")) this.values = new URLSearchParams(text);
  },

  get(name) { return this.values.get(name) ?? ""; },
  all(name) { return this.values.getAll(name); },

  /** Set a choice to one value or several; none, or an empty one, forgets it. */
  set(name, ...values) {
    this.values.delete(name);
    for (const value of values) if (value !== "") this.values.append(name, value);
    this.write();
  },

  clear() {
    this.values = new URLSearchParams();
    this.write();
  },

  write() {
    const text = this.values.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    this.followers.forEach(follow => follow());
  },

  /** Call back now and whenever a choice changes. */
  follow(callback) {
    this.followers.push(callback);
    callback();
  },
};

state.read();
window.addEventListener("hashchange", () => {
  state.read();
  state.followers.forEach(follow => follow());
});

// A link to a place on the page leaves the choices in the address alone.
document.addEventListener("click", event => {
  const link = event.target.closest('a[href^="#"]');
  if (!link) return;
  const place = document.getElementById(link.getAttribute("href").slice(1));
  if (!place) return;
  event.preventDefault();
  document.querySelectorAll(".target").forEach(other => other.classList.remove("target"));
  place.classList.add("target");
  place.scrollIntoView();
  place.tabIndex = -1;
  place.focus({ preventScroll: true });
});

/** Return one comparison for Array.sort: by value, what has none at the end, otherwise as it was. */
function byValue(down) {
  return (a, b) => {
    if (a.value === b.value || isNaN(a.value) || isNaN(b.value)) {
      return isNaN(a.value) - isNaN(b.value);
    }
    return (a.value < b.value) === down ? 1 : -1;
  };
}

/** Return a cell's number; NaN for a dash or "failed". */
const numberOf = text => parseFloat(text.replace("∞", "Infinity"));

/** Turn the text of a heading into a button. */
function asButton(head, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", onClick);
  head.replaceChildren(button);
}
