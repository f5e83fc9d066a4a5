/** Devices' heartbeats, as a page hears them. */
import { useEffect, useState } from 'react';
import { follow, type Heartbeat } from './stream';

export interface Beat extends Heartbeat {
  /** When this page heard it, milliseconds of this machine's clock: the device's own may be wrong. */
  heardAt: number;
}

/** Silence after which oracles pass a device over, seconds: four heartbeats of a worker, as both come. */
export const BEAT_SECONDS = 20;

/** Seconds since it was heard; null when there was none. */
export const beatAge = (beat: Beat | undefined, nowMs = Date.now()): number | null =>
  beat ? Math.max(0, nowMs - beat.heardAt) / 1_000 : null;

/** The heartbeat, unless it is so old that it says nothing of the present. */
export const ifFresh = (beat: Beat | undefined, nowMs = Date.now()): Beat | undefined =>
  (beatAge(beat, nowMs) ?? BEAT_SECONDS) < BEAT_SECONDS ? beat : undefined;

/** The last heartbeats of a provider's devices. The page asks for them over a stream of its own while it is shown. */
export function useHeartbeats(provider: string | null): Record<string, Beat> {
  const [beats, setBeats] = useState<Record<string, Beat>>({});
  useEffect(() => {
    setBeats({});
    if (!provider) return;
    return follow(`/v1/events?heartbeats=${provider}`, {
      heartbeat: ({ heartbeat }) =>
        setBeats((before) => ({ ...before, [heartbeat.device]: { ...heartbeat, heardAt: Date.now() } })),
    });
  }, [provider]);
  return beats;
}
