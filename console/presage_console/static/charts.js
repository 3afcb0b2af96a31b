// Draws what stands in `data-chart`, whenever it changes: lines and steps, with uPlot. The values are in a table beside it, too.
(() => {
  const HEIGHT = 220;
  const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 4], [1, 2]];
  const drawn = new Map(); // element -> {plot, shape}

  // A colour of the page, as the canvas wants it.
  function colour(name) {
    const probe = document.createElement("span");
    probe.className = `colour-${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function shown(value, unit) {
    if (value == null) return "–";
    if (unit === "%") return `${(value * 100).toFixed(1)} %`;
    const text = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 }).format(value);
    return unit ? `${text} ${unit}` : text;
  }

  // UTC, as all times of the console; no finer than the ticks are apart.
  function time(seconds, apart) {
    const text = new Date(seconds * 1e3).toISOString();
    if (apart >= 86400) return text.slice(0, 10);
    return apart >= 60 ? text.slice(11, 16) : text.slice(11, 19);
  }

  function timeAxis(_plot, ticks, _axis, _space, apart) {
    // Where days change between the ticks of hours, the first tick of a day is its date.
    const days = apart < 86400 && ticks.at(-1) - ticks[0] >= 86400;
    return ticks.map((tick) => (days && tick % 86400 === 0 ? time(tick, 86400).slice(5) : time(tick, apart)));
  }

  function numberAxis(_plot, ticks) {
    return ticks.map((tick) => (tick == null ? "" : shown(tick, "")));
  }

  function axis(unit, extra) {
    const line = { stroke: colour("grid"), width: 1 };
    return {
      stroke: colour("faint"),
      grid: line,
      ticks: { ...line, size: 5 },
      font: "12px system-ui, sans-serif",
      ...(unit === undefined ? {} : { size: 64, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : shown(tick, unit))) }),
      ...extra,
    };
  }

  function drawMarkers(markers) {
    return (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour("marker");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.textAlign = "left";
      ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      for (const marker of markers) {
        const across = marker.axis === "y";
        const place = plot.valToPos(marker.at, across ? "y" : "x", true);
        if (across ? place < bbox.top || place > bbox.top + bbox.height : place < bbox.left || place > bbox.left + bbox.width) continue;
        ctx.beginPath();
        if (across) {
          ctx.moveTo(bbox.left, place);
          ctx.lineTo(bbox.left + bbox.width, place);
        } else {
          ctx.moveTo(place, bbox.top);
          ctx.lineTo(place, bbox.top + bbox.height);
        }
        ctx.stroke();
        ctx.fillText(marker.label, across ? bbox.left + 6 : place + 6, across ? place - 5 : bbox.top + 14 * devicePixelRatio);
      }
      ctx.restore();
    };
  }

  function range(chart) {
    return (plot, low, high) => {
      if (low == null) [low, high] = [0, 1];
      const from = chart.yLow ?? (chart.yLog ? low : Math.min(0, low));
      const to = chart.yHigh ?? (high > from ? high + (chart.yLog ? 0 : (high - from) * 0.08) : from + 1);
      return [from, to];
    };
  }

  // Whole numbers, such as of events or versions, have no ticks between them.
  const WHOLE = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((zeros) => step * 10 ** zeros)).sort((a, b) => a - b);

  function spacing(chart) {
    if (chart.time) return { space: 80 };
    return !chart.xLog && chart.x.every(Number.isInteger) ? { incrs: WHOLE } : {};
  }

  function options(chart, width) {
    const unit = chart.series[0].unit;
    return {
      width,
      height: HEIGHT,
      padding: chart.time ? [null, 32, null, null] : [null, null, null, null], // for the half of a time at the right end
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
      scales: {
        x: { time: chart.time, distr: chart.xLog ? 3 : 1 },
        y: { distr: chart.yLog ? 3 : 1, range: chart.yLog && chart.yLow == null ? undefined : range(chart) },
      },
      axes: [axis(undefined, { values: chart.time ? timeAxis : numberAxis, ...spacing(chart) }), axis(unit)],
      series: [
        { label: chart.xName, value: (_, x) => (x == null ? "–" : chart.time ? time(x, 1) : shown(x, "")) },
        ...chart.series.map((one, index) => ({
          label: one.name,
          stroke: colour(`series-${(index % 6) + 1}`),
          width: 2,
          dash: DASHES[index % DASHES.length],
          points: { show: chart.x.length < 40 },
          value: (_, value) => shown(value, one.unit),
          ...(chart.kind === "steps" ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        })),
      ],
      hooks: { draw: [drawMarkers(chart.markers)] },
    };
  }

  function draw(element) {
    const chart = JSON.parse(element.dataset.chart);
    const data = [chart.x, ...chart.series.map((one) => one.values)];
    const shape = JSON.stringify({ ...chart, x: 0, series: chart.series.map((one) => [one.name, one.unit]), few: chart.x.length < 40 });
    const before = drawn.get(element);
    if (before?.shape === shape) {
      before.plot.setData(data);
      return;
    }
    before?.plot.destroy();
    drawn.set(element, { plot: new uPlot(options(chart, element.clientWidth), data, element), shape });
    resized.observe(element);
  }

  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const plot = drawn.get(target)?.plot;
      if (plot && plot.width !== contentRect.width && contentRect.width > 0) plot.setSize({ width: contentRect.width, height: HEIGHT });
    }
  });

  function within(node) {
    if (!(node instanceof Element)) return [];
    return [...(node.matches("[data-chart]") ? [node] : []), ...node.querySelectorAll("[data-chart]")];
  }

  new MutationObserver((changes) => {
    const wanted = new Set();
    for (const change of changes) {
      if (change.type === "attributes") wanted.add(change.target);
      else change.addedNodes.forEach((node) => within(node).forEach((element) => wanted.add(element)));
    }
    for (const [element, { plot }] of drawn) {
      if (element.isConnected) continue;
      resized.unobserve(element);
      plot.destroy();
      drawn.delete(element);
    }
    for (const element of wanted) if (element.isConnected && element.dataset.chart) draw(element);
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-chart"] });

  document.addEventListener("presage:theme", () => {
    for (const [element, { plot }] of [...drawn]) {
      plot.destroy();
      drawn.delete(element);
      draw(element);
    }
  });
  within(document.documentElement).forEach(draw);
})();
