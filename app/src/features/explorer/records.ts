/** Accounts as rows of a file. */
import { type Kinds, NOBODY, type Read } from '@/shared/chain';
import { hex, region } from '@/shared/format';
import { stateName } from '@/shared/jobs';
import type { RecordRow } from './export';

export function deviceRecord({ address, data }: Read<Kinds['device']>): RecordRow {
  return {
    device: address,
    provider: data.provider,
    operator: data.operator,
    class: data.class,
    region: region(data.region),
    state: data.state === 0 ? 'active' : 'draining',
    current_job: data.currentJob === NOBODY ? null : data.currentJob,
    memory_mib: data.memoryMib,
    int8_tops: data.topsE2 / 100,
    bandwidth_mib_s: data.bandwidthMibS,
    down_mbit: data.downMbit,
    up_mbit: data.upMbit,
    latency_ms: data.latencyMs === 0 ? null : data.latencyMs,
    bond_base_units: data.bond,
    exposure_base_units: data.exposure,
    completed: data.completed,
    failed: data.failed,
    volume_base_units: data.volume,
    attested_at: data.attestedAt,
    since: data.since,
  };
}

export function providerRecord({ address, data }: Read<Kinds['provider']>): RecordRow {
  return {
    provider: address,
    authority: data.authority,
    payout_owner: data.payoutOwner,
    staked_base_units: data.staked,
    committed_base_units: data.committed,
    co_stake_base_units: data.coAssets,
    co_stakers: data.coStakers,
    commission_bps: data.commissionBps,
    devices: data.devices,
    claimed_base_units: data.claimed,
    slash_cases: data.slashCases,
    since: data.since,
  };
}

export function jobRecord({ address, data }: Read<Kinds['job']>): RecordRow {
  const given = (key: string) => (key === NOBODY ? null : key);
  return {
    job: address,
    state: stateName(data.state),
    renter: data.renter,
    provider: given(data.provider),
    device: given(data.device),
    mint: data.mint,
    escrow_base_units: data.escrow,
    paid_base_units: data.paid,
    fees_base_units: data.fees,
    refunded_base_units: data.refunded,
    units: data.units,
    created_at: data.createdAt,
    accepted_at: data.acceptedAt || null,
    submitted_at: data.submittedAt || null,
    finished_at: data.finishedAt || null,
    spec_hash: hex(data.specHash as Uint8Array),
  };
}
