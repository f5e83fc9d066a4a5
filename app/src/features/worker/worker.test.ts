import { describe, expect, it } from 'vitest';
import type { Kinds, Read } from '@/shared/chain';
import { commandFor, NO_WS } from './command';
import { type Measured, measured, occupancyOf, profitOf, wattsOf } from './earnings';
import { bondNeeded, healthOf } from './health';
import { bondOf, machineOf } from './machine';
import { whyNot } from './why';

const job = (data: Partial<Kinds['job']>) =>
  ({
    address: 'job',
    slot: 0n,
    data: {
      kind: 0,
      device: 'd',
      mint: 'io',
      state: 5,
      acceptedAt: 0n,
      submittedAt: 0n,
      finishedAt: 0n,
      paid: 0n,
      ...data,
    },
  }) as Read<Kinds['job']>;

describe('profit', () => {
  it('takes the watts of a device at work and idle apart, each heartbeat once', () => {
    const beats = [
      { at_ms: 1, power_w: 300, job: 'a' },
      { at_ms: 1, power_w: 300, job: 'a' },
      { at_ms: 2, power_w: 200, job: 'b' },
      { at_ms: 3, power_w: 40, job: null },
      { at_ms: 4, power_w: null, job: null },
    ];
    const all = beats.reduce<Measured | undefined>(measured, undefined);
    expect(wattsOf(all)).toEqual({ busy: 250, idle: 40 });
    expect(all).toMatchObject({ first: 1, last: 3, busy: { samples: 2 }, idle: { samples: 1 } });
    expect(wattsOf(measured(undefined, { at_ms: 1, power_w: 50, job: null }))).toEqual({ busy: 50, idle: 50 });
    expect(wattsOf(undefined)).toEqual({ busy: null, idle: null });
  });
  it('counts overlapping jobs once, and cuts them to the span', () => {
    const jobs = [
      job({ acceptedAt: 50n, submittedAt: 150n, finishedAt: 160n, paid: 10n }),
      job({ acceptedAt: 120n, submittedAt: 180n, finishedAt: 190n, paid: 5n }),
      job({ acceptedAt: 120n, submittedAt: 180n, finishedAt: 190n, paid: 5n, device: 'another' as never }),
      job({ acceptedAt: 300n, submittedAt: 320n, finishedAt: 330n, paid: 7n, mint: 'usd' as never }),
      // A lease that runs: up to now, whenever it was counted last.
      job({ kind: 1, state: 2, acceptedAt: 380n, submittedAt: 385n }),
    ];
    expect(occupancyOf(jobs, 'd', 'io', 100, 400)).toEqual({
      busySeconds: 120,
      spanSeconds: 300,
      earned: 15n,
      otherJobs: 1,
      jobs: 3,
    });
  });
  it('is income less electricity', () => {
    const occupancy = { busySeconds: 3_600, spanSeconds: 7_200, earned: 100_000_000n, otherJobs: 0, jobs: 1 };
    const costs = { busyWatts: 300, idleWatts: 100, priceKwh: 0.5, priceIo: 2 };
    const profit = profitOf(occupancy, 1, 100_000_000n, costs);
    expect(profit).toEqual({ kwh: 0.4, cost: 0.2, income: 4, profit: 3.8, breakEvenIo: 0.1 });
    expect(profitOf(occupancy, 0.5, 0n, costs).kwh, 'off for the rest').toBe(0.3);
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
    silence: 3,
    operatorLamports: 10_000_000n,
    address: 'd',
    now: 1_100,
  };
  it('gives every failure its fix', () => {
    const failing = healthOf({
      ...base,
      silence: 20,
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
  it('takes a device that fell silent for gone', () => {
    const connected = (silence: number | null) =>
      healthOf({ ...base, silence }).find(({ name }) => name === 'Connected');
    expect([connected(19.9)?.ok, connected(20)?.ok, connected(null)?.ok]).toEqual([true, false, false]);
    expect(connected(90)?.detail).toBe('heartbeat 1 min 30 s ago');
    // What the oracle heard counts where this page has heard nothing yet.
    const offer = { last_heartbeat_ms: 1_095_000, available: true } as never;
    expect(healthOf({ ...base, silence: null, offer })[0]).toMatchObject({ name: 'Connected', ok: true });
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
    app: 'http://127.0.0.1:8801',
    region: 'DE',
    oracles: ['http://127.0.0.1:8700'],
    rpcUrl: 'http://127.0.0.1:8899',
    wsUrl: 'ws://127.0.0.1:9001',
  };
  it('holds everything that the worker needs', () => {
    const command = commandFor(given);
    for (const part of ['region = "DE"', 'ws_url = "ws://127.0.0.1:9001"', '"http://127.0.0.1:8700"'])
      expect(command).toContain(part);
    expect(command.split('\n').at(-1)).toBe("  io worker run --config worker.toml --app 'http://127.0.0.1:8801'");
    expect(commandFor({ ...given, wsUrl: null }), 'nothing is guessed').toContain(`ws_url = "${NO_WS}"`);
  });
  it('wants no key but one that it makes itself', () => {
    expect(commandFor(given)).not.toContain('authority');
    expect(commandFor(given).match(/\w+\.json/g)).toEqual(Array(3).fill('operator.json'));
  });
  it('quotes what a shell would read in an address', () => {
    const command = commandFor({
      ...given,
      app: "http://[::1]:8801/?a='&b",
      rpcUrl: 'https://rpc.example.com/?key=a&net=[dev]',
    });
    expect(command).toContain(`--app 'http://[::1]:8801/?a='\\''&b'`);
    expect(command).toContain('rpc_url = "https://rpc.example.com/?key=a&net=[dev]"');
  });
  it('takes nothing that a shell would read', () => {
    expect(() => commandFor({ ...given, oracles: ['http://x/$(rm -rf .)'] })).toThrow();
    expect(() => commandFor({ ...given, rpcUrl: 'http://x/\nEND\nid' })).toThrow();
    expect(() => commandFor({ ...given, region: '"; id' })).toThrow();
    expect(() => commandFor({ ...given, wsUrl: 'ws://x"; id' })).toThrow();
  });
});

describe('a machine', () => {
  const hardware = '0a'.repeat(32);
  const operator = 'CQzNiKpE3b6RsPZWLcNqccAGzE9H4sBpJPLczLyeXtX7';
  it('is known by its link alone when both of its parts are whole', () => {
    const { machine, errors } = machineOf(hardware, operator);
    expect(machine).toEqual({ hardware: new Uint8Array(32).fill(10), operator });
    expect(errors).toEqual({ hardware: null, operator: null });
    expect(machineOf('', '')).toEqual({ machine: null, errors: { hardware: null, operator: null } });
  });
  it('is none by anything else', () => {
    for (const bad of [
      hardware.slice(1),
      `${hardware}0`,
      hardware.toUpperCase(),
      `0x${hardware.slice(2)}`,
      ` ${hardware}`,
    ])
      expect(machineOf(bad, operator), bad).toMatchObject({ machine: null, errors: { operator: null } });
    for (const bad of [operator.slice(4), `${operator}11`, '0OIl'.repeat(10), '1'.repeat(32), `${operator} `]) {
      expect(machineOf(hardware, bad), bad).toMatchObject({ machine: null, errors: { hardware: null } });
      expect(machineOf(hardware, bad).errors.operator, bad).not.toBeNull();
    }
  });
  it('is bonded with what its class needs at least', () => {
    expect(bondOf(' ', 5n)).toEqual({ bond: 5n, error: null });
    expect(bondOf('200.5', 20_000_000_000n).bond).toBe(20_050_000_000n);
    expect(bondOf('199', 20_000_000_000n)).toEqual({ bond: null, error: '200 IO at least' });
    expect(bondOf('x', 5n).bond).toBeNull();
  });
});
