
// The editor of /submit: looks at what is written a moment after it was, marks the lines that are wrong,
// and offers what may stand at the cursor (Ctrl and space). The page works without it.
const compose = {
  box: document.querySelector(".compose textarea[data-schema]"),
  schema: null,
  timer: 0,
  asked: 0,

  start() {
    const { box } = compose;
    if (!box) return;
    compose.list = document.createElement("ul");
    compose.list.className = "offers";
    compose.list.hidden = true;
    box.after(compose.list);
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = " · Ctrl and space: what may stand at the cursor";
    document.querySelector("label[for=definition]").append(hint);
    box.addEventListener("input", () => {
      compose.list.hidden = true;
      clearTimeout(compose.timer);
      compose.timer = setTimeout(compose.check, 700);
    });
    box.addEventListener("keydown", (event) => compose.key(event));
    document.querySelector("#findings").addEventListener("click", (event) => {
      const line = event.target.closest("[data-line]")?.dataset.line;
      if (line) compose.go(Number(line));
    });
  },

  // Asks the appliance as the button does, and puts in what it says.
  async check() {
    const asked = ++compose.asked;
    const form = new URLSearchParams(new FormData(compose.box.form));
    form.set("action", "check");
    try {
      const answer = await fetch("/submit", { method: "POST", body: form });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.querySelector("#findings");
      if (found && asked === compose.asked) {
        document.querySelector("#findings").replaceChildren(...found.childNodes);
      }
    } catch {
      // The appliance is away; the next keystroke asks again.
    }
  },

  go(line) {
    const { box } = compose;
    const lines = box.value.split("\n");
    const from = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    box.focus();
    box.setSelectionRange(from, from + (lines[line - 1] ?? "").length);
    box.scrollTop = (line - 5) * parseFloat(getComputedStyle(box).lineHeight);
  },

  key(event) {
    const { box, list } = compose;
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      compose.offer();
    } else if (!list.hidden && event.key === "Escape") {
      event.preventDefault();
      list.hidden = true;
    } else if (!list.hidden && event.key === "ArrowDown") {
      event.preventDefault();
      list.querySelector("button")?.focus();
    } else if (event.key === "Enter" && !event.shiftKey && list.hidden) {
      // The next line begins where this one did.
      const before = box.value.slice(0, box.selectionStart);
      const line = before.slice(before.lastIndexOf("\n") + 1);
      const indent = line.match(/^ */)[0] + (/[:-]\s*$/.test(line) ? "  " : "");
      event.preventDefault();
      document.execCommand("insertText", false, "\n" + indent);
    }
  },

  // Keys of the blocks around the cursor, outermost first, as far as indentation tells.
  path() {
    const { box } = compose;
    const lines = box.value.slice(0, box.selectionStart).split("\n");
    const current = lines.pop();
    let indent = current.replace(/- /g, "  ").match(/^ */)[0].length;
    const path = [];
    for (const line of lines.reverse()) {
      const plain = line.replace(/- /g, "  ");
      const key = plain.match(/^( *)([A-Za-z0-9_]+):\s*$/);
      if (key && key[1].length < indent) {
        path.unshift(key[2]);
        indent = key[1].length;
      }
    }
    return path;
  },

  // The forms that may stand below a path.
  below(path) {
    const resolve = (node) => {
      if (!node) return [];
      if (node.$ref) {
        const place = node.$ref.replace(/^#\//, "").split("/");
        return resolve(place.reduce((at, name) => at?.[decodeURIComponent(name)], compose.schema));
      }
      const several = [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])];
      return [node, ...several.flatMap(resolve), ...(node.items ? resolve(node.items) : [])];
    };
    return path.reduce(
      (forms, key) => forms.flatMap((form) => resolve(form.properties?.[key])),
      resolve(compose.schema),
    );
  },

  async offer() {
    const { box, list } = compose;
    compose.schema ??= await (await fetch(box.dataset.schema)).json();
    const before = box.value.slice(0, box.selectionStart);
    const written = before.match(/[A-Za-z0-9_]*$/)[0];
    const offers = new Map();
    for (const form of compose.below(compose.path())) {
      for (const [name, kind] of Object.entries(form.properties ?? {})) {
        if (name.startsWith(written)) offers.set(name, kind.description ?? "");
      }
    }
    list.replaceChildren(...[...offers].map(([name, words]) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.title = words;
      button.addEventListener("click", () => {
        list.hidden = true;
        box.focus();
        document.execCommand("insertText", false, name.slice(written.length) + ": ");
      });
      button.addEventListener("keydown", (event) => {
        const next = { ArrowDown: item.nextSibling, ArrowUp: item.previousSibling }[event.key];
        if (next) {
          event.preventDefault();
          next.firstChild.focus();
        } else if (event.key === "Escape") {
          list.hidden = true;
          box.focus();
        }
      });
      item.append(button);
      return item;
    }));
    list.hidden = offers.size === 0;
  },
};
compose.start();
