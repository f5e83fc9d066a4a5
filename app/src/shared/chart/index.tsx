import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { clock } from '@/shared/format';

export interface ChartProps {
  /** What the chart shows, in words: for those who do not see it. */
  label: string;
  /** Unix seconds, ascending. */
  times: number[];
  /** As a line, unless it says `bars`, or `steps`: each value holds until the next. */
  series: { label: string; values: (number | null)[]; bars?: boolean; steps?: boolean }[];
  /** As the axis writes a value. */
  format?: (value: number) => string;
  /** As the chosen point's values are written, with all their digits; as on the axis when absent. */
  exact?: (value: number) => string;
  height?: number;
}

const HALF_HOUR = 1_800;

/** Colours of series, by their order: roles of the theme. */
const COLORS = ['--accent', '--warn', '--good', '--bad', '--muted'];

/**
 * Values over time. Drawn anew when the theme or the width changes. Below stands the newest point, or the one that the pointer, or the
 * keyboard (arrow keys, home and end), chose.
 */
export function Chart({ label, times, series, format = String, exact = format, height = 200 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const draw = () => {
      drawn.current?.destroy();
      const style = getComputedStyle(document.documentElement);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: color('--muted'),
        font: `12px ${getComputedStyle(document.body).fontFamily}`,
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
      };
      drawn.current = new uPlot(
        {
          width: element.clientWidth || 300,
          height,
          legend: { show: series.length > 1, live: false },
          cursor: { y: false },
          hooks: { setCursor: [({ cursor }) => setChosen(cursor.idx ?? null)] },
          axes: [axis, { ...axis, size: 70, values: (_: uPlot, ticks: number[]) => ticks.map(format) }],
          scales: {
            // One moment alone stands in the middle of an hour: uPlot would draw it at the beginning of years.
            x: {
              range: (_: uPlot, from: number, to: number) =>
                times.length > 1 ? [from, to] : [from - HALF_HOUR, from + HALF_HOUR],
            },
            y: { range: (_: uPlot, min: number, max: number) => [Math.min(0, min), max > 0 ? max * 1.1 : 1] },
          },
          series: [
            {},
            ...series.map(({ label, bars, steps }, i) => {
              const stroke = color(COLORS[i % COLORS.length] ?? '--accent');
              return {
                label,
                stroke,
                width: 2,
                ...(bars
                  ? { paths: uPlot.paths.bars?.({ size: [0.6, 48] }), fill: stroke, points: { show: false } }
                  : {}),
                ...(steps ? { paths: uPlot.paths.stepped?.({ align: 1 }), points: { show: false } } : {}),
              };
            }),
          ],
        },
        [times, ...series.map(({ values }) => values)] as uPlot.AlignedData,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() => drawn.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      resized.disconnect();
      themed.disconnect();
      drawn.current?.destroy();
      drawn.current = null;
    };
  }, [times, series, format, height]);
  const last = times.length - 1;
  const at = chosen !== null && chosen <= last ? chosen : last;
  const time = times[at];
  const words =
    time === undefined
      ? ''
      : `${clock(time)}: ${series
          .map(({ label, values }) => `${label} ${values[at] == null ? 'unknown' : exact(values[at])}`)
          .join(', ')}`;
  const choose = (next: number) => {
    const left = drawn.current?.valToPos(times[next] ?? 0, 'x');
    if (left !== undefined) drawn.current?.setCursor({ left, top: 0 });
    setChosen(next);
  };
  return (
    // The drawing's width says nothing about the page's: it follows, also when the page narrows.
    <figure className="w-full min-w-0 [contain:inline-size]">
      <div className="relative rounded-lg outline-accent has-[input:focus-visible]:outline-2">
        <div ref={box} role="img" aria-label={label} style={{ minHeight: height }} />
        <input
          type="range"
          aria-label={`Point of the chart: ${label}`}
          aria-valuetext={words}
          min={0}
          max={Math.max(0, last)}
          value={Math.max(0, at)}
          onChange={(event) => choose(Number(event.target.value))}
          className="pointer-events-none absolute inset-0 size-full opacity-0"
        />
      </div>
      <figcaption data-testid="point" className="mt-1 min-h-4 text-muted text-xs tabular-nums">
        {words}
      </figcaption>
    </figure>
  );
}
