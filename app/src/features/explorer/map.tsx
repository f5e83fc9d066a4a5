import { geoEqualEarth, geoGraticule10, geoPath } from 'd3-geo';
import { useMemo } from 'react';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import land from 'world-atlas/land-110m.json';
import { plural, regionName } from '@/shared/format';
import { placeOf } from './places';

const [WIDTH, HEIGHT] = [900, 440];
const [SMALLEST, LARGEST] = [5, 26];

/** Devices by region, on a map that is in the bundle. */
export default function WorldMap({ regions }: { regions: readonly { region: string; devices: number }[] }) {
  const { shape, lines, project } = useMemo(() => {
    const projection = geoEqualEarth().fitExtent(
      [
        [4, 4],
        [WIDTH - 4, HEIGHT - 4],
      ],
      { type: 'Sphere' },
    );
    const path = geoPath(projection);
    const topology = land as unknown as Topology<{ land: GeometryCollection }>;
    return {
      shape: path(feature(topology, topology.objects.land)) ?? '',
      lines: path(geoGraticule10()) ?? '',
      project: projection,
    };
  }, []);
  const most = Math.max(1, ...regions.map(({ devices }) => devices));
  const placed = regions.flatMap(({ region, devices }) => {
    const place = placeOf(region);
    const at = place && project(place);
    return at ? [{ region, devices, at }] : [];
  });
  const words = regions.map(({ region, devices }) => `${regionName(region)} ${devices}`).join(', ');
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`Devices by region: ${words || 'none'}`}
      className="w-full"
    >
      <path d={lines} fill="none" className="stroke-line" strokeWidth={0.5} />
      <path d={shape} className="fill-hover stroke-line" strokeWidth={0.75} />
      {placed.map(({ region, devices, at }) => (
        <circle
          key={region}
          cx={at[0]}
          cy={at[1]}
          r={SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(devices / most)}
          className="fill-accent/50 stroke-accent"
          strokeWidth={1.5}
          data-tip={`${regionName(region)}: ${plural(devices, 'device')}`}
        />
      ))}
    </svg>
  );
}
