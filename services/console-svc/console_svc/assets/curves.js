// The curves of a training, drawn by uPlot in the page's own colours; what they say stands beside them as a table.
"use strict";
(() => {
  const drawn = new Map(); // element: {plot, told}
  // a token may be light-dark(…): only a property in use tells which of the two holds
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const seen = (name) => {
    probe.className = `probe ${name}`;
    return getComputedStyle(probe).color;
  };
  const LINES = ["accent", "warn", "good"];

  const draw = (place) => {
    const told = place.dataset.curve;
    const { steps, lines } = JSON.parse(told);
    drawn.get(place)?.plot.destroy();
    const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 3 });
    const axis = {
      stroke: seen("quiet"),
      grid: { stroke: seen("line"), width: 1 },
      ticks: { stroke: seen("line"), width: 1 },
      font: "12px system-ui, sans-serif",
      values: (_, values) => values.map((value) => format.format(value)),
    };
    const series = lines.map(({ name }, number) => ({
      label: name,
      stroke: seen(LINES[number % LINES.length]),
      width: 2,
      spanGaps: true,
      dash: number ? [6, 4] : undefined,
      points: { show: steps.length < 3 || number > 0 },
    }));
    const plot = new uPlot({
      width: Math.max(place.clientWidth, 200),
      height: 200,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 28 }, { ...axis, size: 52 }],
      series: [{}, ...series],
    }, [steps, ...lines.map(({ values }) => values)], place);
    drawn.set(place, { plot, told });
  };
  const look = () => {
    for (const place of drawn.keys()) {
      if (!place.isConnected) { drawn.get(place).plot.destroy(); drawn.delete(place); }
    }
    for (const place of document.querySelectorAll("[data-curve]")) {
      if (drawn.get(place)?.told !== place.dataset.curve) draw(place);
      sizes.observe(place);
    }
  };
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = drawn.get(target)?.plot;
      if (plot && target.clientWidth && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: 200 });
    }
  });
  document.addEventListener("htmx:after:swap", look);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn.keys()].forEach(draw));
  look();
})();
