import { describe, expect, it } from 'vitest';
import type { Kinds, Read } from '@/shared/chain';
import { commandFor, ioText, NO_WS } from './command';
import { measuredWatts, occupancyOf, profitOf } from './earnings';
import { bondNeeded, healthOf } from './health';
import { whyNot } from './why';

const job = (data: Partial<Kinds['job']>) =>
  ({
    address: 'job',
    slot: 0n,
    data: { device: 'd', mint: 'io', state: 5, acceptedAt: 0n, submittedAt: 0n, finishedAt: 0n, paid: 0n, ...data },
  }) as Read<Kinds['job']>;

describe('profit', () => {
  it('takes the watts of devices at work and of idle ones apart', () => {
    const beats = [
      { power_w: 300, job: 'a' },
      { power_w: 200, job: 'b' },
      { power_w: 40, job: null },
      { power_w: null, job: null },
    ];
    expect(measuredWatts(beats)).toEqual({ busy: 250, idle: 40 });
    expect(measuredWatts(beats.slice(3))).toEqual({ busy: null, idle: null });
  });
  it('counts overlapping jobs once, and cuts them to the span', () => {
    const jobs = [
      job({ acceptedAt: 50n, submittedAt: 150n, finishedAt: 160n, paid: 10n }),
      job({ acceptedAt: 120n, submittedAt: 180n, finishedAt: 190n, paid: 5n }),
      job({ acceptedAt: 120n, submittedAt: 180n, finishedAt: 190n, paid: 5n, device: 'another' as never }),
      job({ acceptedAt: 300n, submittedAt: 320n, finishedAt: 330n, paid: 7n, mint: 'usd' as never }),
    ];
    expect(occupancyOf(jobs, 'd', 'io', 100, 400)).toEqual({
      busySeconds: 100,
      spanSeconds: 300,
      earned: 15n,
      otherJobs: 1,
      jobs: 3,
    });
  });
  it('is income less electricity', () => {
    const occupancy = { busySeconds: 3_600, spanSeconds: 7_200, earned: 100_000_000n, otherJobs: 0, jobs: 1 };
    const profit = profitOf(occupancy, 100_000_000n, { busyWatts: 300, idleWatts: 100, priceKwh: 0.5, priceIo: 2 });
    expect(profit).toEqual({ kwh: 0.4, cost: 0.2, income: 4, profit: 3.8, breakEvenIo: 0.1 });
  });
});

describe('health', () => {
  const device = {
    bond: 200n,
    exposure: 0n,
    state: 0,
    multiplierE2: 10,
    attestedAt: 1_000n,
    completed: 5n,
    failed: 0n,
    faultDue: new Uint8Array(8),
    operator: 'op',
  } as unknown as Kinds['device'];
  const network = { minBond: 200n, attestationSeconds: 3_600 } as Kinds['network'];
  const base = {
    device,
    network,
    offer: undefined,
    apiUp: true,
    beat: undefined,
    operatorLamports: 10_000_000n,
    address: 'd',
    now: 1_100,
  };
  it('gives every failure its fix', () => {
    const failing = healthOf({
      ...base,
      device: {
        ...device,
        attestedAt: 0n,
        bond: 1n,
        state: 1,
        failed: 5n,
        faultDue: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
      },
      operatorLamports: 0n,
    });
    const bad = failing.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(bad).toEqual(['Connected', 'Attested', 'Bond', 'Penalty', 'Takes jobs', 'Fees', 'Reliable']);
    expect(failing.every(({ ok, fix }) => ok === (fix === undefined))).toBe(true);
  });
  it('says nothing of heartbeats while the oracle is away', () => {
    expect(healthOf({ ...base, apiUp: false }).every(({ ok, name }) => ok && name !== 'Connected')).toBe(true);
  });
  it('asks at least the base bond', () => {
    expect([bondNeeded(200n, 10), bondNeeded(200n, 1_000), bondNeeded(1n, 101)]).toEqual([200n, 2_000n, 2n]);
  });
});

describe('why a device was not paid', () => {
  const device = { since: 0n, attestedAt: 100n, bond: 10n, faultDue: new Uint8Array(8) } as unknown as Kinds['device'];
  const base = { device, reports: [false, false], quorum: 2, ended: 1_000, attestationSeconds: 500, leastBond: 10n };
  it('names the nearest cause', () => {
    expect(whyNot(base)).toContain('attestation had ended');
    expect(whyNot({ ...base, reports: [true, false] })).toContain('1 of 2 oracles');
    expect(whyNot({ ...base, device: { ...device, since: 2_000n } })).toContain('registered after');
    expect(whyNot({ ...base, attestationSeconds: 5_000 })).toContain('heartbeat');
    expect(whyNot({ ...base, leastBond: 11n })).toContain('bond is below');
    const owing = { ...device, faultDue: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) };
    expect(whyNot({ ...base, device: owing })).toContain('owes a penalty');
  });
});

describe('the command', () => {
  const given = {
    classId: 0,
    bond: 20_050_000_000n,
    region: 'DE',
    oracles: ['http://127.0.0.1:8700'],
    rpcUrl: 'http://127.0.0.1:8899',
    wsUrl: 'ws://127.0.0.1:9001',
  };
  it('holds everything that the worker needs', () => {
    const command = commandFor(given);
    for (const part of ['--bond 200.5 ', 'region = "DE"', 'ws_url = "ws://127.0.0.1:9001"', '"http://127.0.0.1:8700"'])
      expect(command).toContain(part);
    expect(commandFor({ ...given, wsUrl: null }), 'nothing is guessed').toContain(`ws_url = "${NO_WS}"`);
    expect(ioText(100_000_000n)).toBe('1');
  });
  it('quotes what a shell would read in an address', () => {
    const command = commandFor({ ...given, rpcUrl: 'https://rpc.example.com/?key=a&net=[dev]' });
    expect(command).toContain(`  io -u 'https://rpc.example.com/?key=a&net=[dev]' -k authority.json `);
    expect(command).toContain('rpc_url = "https://rpc.example.com/?key=a&net=[dev]"');
    expect(commandFor({ ...given, rpcUrl: "https://x/?a='&b" })).toContain(`io -u 'https://x/?a='\\''&b' -k`);
  });
  it('takes nothing that a shell would read', () => {
    expect(() => commandFor({ ...given, oracles: ['http://x/$(rm -rf .)'] })).toThrow();
    expect(() => commandFor({ ...given, rpcUrl: 'http://x/\nEND\nid' })).toThrow();
    expect(() => commandFor({ ...given, region: '"; id' })).toThrow();
    expect(() => commandFor({ ...given, wsUrl: 'ws://x"; id' })).toThrow();
  });
});
