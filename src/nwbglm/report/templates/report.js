"use strict";
/* Sorts, filters and copies; every page is complete without it. */
(() => {
  const parse = text => {
    const plain = text.replace(/\u2212/g, "-");
    const value = Number.parseFloat(plain);
    return Number.isNaN(value) ? null : value;
  };
  const collator = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b, numeric) => {
    if (!numeric) return collator.compare(a, b);
    const [x, y] = [parse(a), parse(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return x - y;
  };
  /* "> 0.2", "<= 3", "1..5", "= ok", "!ok", or any part of the text */
  const matcher = query => {
    const asked = query.trim();
    let found = asked.match(/^(<=|>=|<|>|=)\s*([-\u2212]?[\d.]+(?:e[-+]?\d+)?)$/i);
    if (found) {
      const bound = parse(found[2]);
      const tests = { "<": v => v < bound, ">": v => v > bound, "<=": v => v <= bound, ">=": v => v >= bound,
        "=": v => v === bound };
      return text => { const value = parse(text); return value !== null && tests[found[1]](value); };
    }
    found = asked.match(/^([-\u2212]?[\d.]+)\s*\.\.\s*([-\u2212]?[\d.]+)$/);
    if (found) {
      const [low, high] = [parse(found[1]), parse(found[2])];
      return text => { const value = parse(text); return value !== null && value >= low && value <= high; };
    }
    if (asked.startsWith("=")) { const exact = asked.slice(1).trim().toLowerCase(); return t => t.toLowerCase() === exact; }
    if (asked.startsWith("!")) { const no = asked.slice(1).trim().toLowerCase(); return t => !t.toLowerCase().includes(no); }
    const part = asked.toLowerCase();
    return text => text.toLowerCase().includes(part);
  };
  const head = (table, onSort) => [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") === "ascending";
      [...table.tHead.rows[0].cells].forEach(other => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      onSort(column, down ? -1 : 1, cell.classList.contains("n"));
    });
  });

  document.querySelectorAll(".table table:not(#all-units)").forEach(table => {
    if (!table.tHead || table.tBodies[0].rows.length < 3) return;
    head(table, (column, sign, numeric) => {
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => sign * compare(a.cells[column].textContent, b.cells[column].textContent, numeric));
      table.tBodies[0].append(...rows);
    });
  });

  /* the page of all units: rows of the page, or of its block of data where there are many */
  const units = document.getElementById("all-units");
  if (units) {
    const STEP = 200;
    const body = units.tBodies[0];
    const block = document.getElementById("units-data");
    const names = [...units.tHead.rows[0].cells].map(cell => cell.textContent);
    const numeric = [...units.tHead.rows[0].cells].map(cell => cell.classList.contains("n"));
    let count, text, row;
    if (block) {
      const columns = Object.values(JSON.parse(block.textContent).columns);
      count = (columns[0].texts || columns[0].codes).length;
      text = (place, column) => {
        const { texts, levels, codes } = columns[column];
        return texts ? texts[place] : levels[codes[place]];
      };
      row = place => {
        const line = document.createElement("tr");
        names.forEach((_, column) => {
          const cell = line.insertCell();
          if (numeric[column]) cell.className = "n";
          if (column === 1) {
            const link = document.createElement("a");
            link.href = "sessions/" + encodeURIComponent(text(place, 0)) + ".html#unit-" + text(place, 1);
            link.textContent = text(place, 1);
            cell.append(link);
          } else cell.textContent = text(place, column);
        });
        return line;
      };
    } else {
      const rows = [...body.rows];
      count = rows.length;
      text = (place, column) => rows[place].cells[column].textContent;
      row = place => rows[place];
    }
    let order = [...Array(count).keys()];
    let shown = STEP;
    const said = document.getElementById("units-said");
    const more = document.getElementById("units-more");
    const fields = names.map((name, column) => {
      const field = document.createElement("input");
      field.type = "search";
      field.setAttribute("aria-label", "filter by " + name);
      field.placeholder = numeric[column] ? "> 0" : "part";
      return field;
    });
    const line = units.tHead.insertRow();
    line.className = "filters";
    fields.forEach(field => line.insertCell().append(field));
    const show = () => {
      const tests = fields.map((field, column) => [field.value.trim(), column]).filter(([query]) => query)
        .map(([query, column]) => [matcher(query), column]);
      const passing = order.filter(place => tests.every(([test, column]) => test(text(place, column))));
      body.replaceChildren(...passing.slice(0, shown).map(row));
      said.textContent = passing.length + " of " + count + " units" +
        (passing.length > shown ? "; the first " + shown + " are shown" : "");
      more.hidden = passing.length <= shown;
    };
    fields.forEach(field => field.addEventListener("input", () => { shown = STEP; show(); }));
    more.addEventListener("click", () => { shown += STEP; show(); });
    head(units, (column, sign, isNumber) => {
      order.sort((a, b) => sign * compare(text(a, column), text(b, column), isNumber) || a - b);
      show();
    });
    const asked = new URLSearchParams(location.hash.slice(1));
    names.forEach((name, column) => { if (asked.has(name)) fields[column].value = asked.get(name); });
    show();
  }

  /* a unit's card opens where a link leads to it */
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const card = target && target.closest("details");
    if (card) { card.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();

  /* folded parts are printed */
  addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach(part => {
    part.open = true;
    part.dataset.folded = "";
  }));
  addEventListener("afterprint", () => document.querySelectorAll("details[data-folded]").forEach(part => {
    part.open = false;
    delete part.dataset.folded;
  }));

  document.querySelectorAll("button.copy").forEach(button => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const words = document.getElementById(button.dataset.of).innerText;
      try {
        await navigator.clipboard.writeText(words);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(document.getElementById(button.dataset.of));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.execCommand("copy");
      }
      button.textContent = "copied";
    });
  });

  document.querySelectorAll("select.which").forEach(choice => {
    const parts = [...document.getElementById(choice.dataset.of).children];
    const show = () => parts.forEach(part => { part.hidden = part.dataset.which !== choice.value; });
    choice.closest(".choice").hidden = false;
    choice.addEventListener("change", show);
    show();
  });
})();
