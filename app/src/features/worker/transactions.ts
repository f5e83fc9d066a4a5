/** What a provider, or a co-staker, signs. Each returns the instructions of one transaction. */
import { type Address, address, createNoopSigner, type Instruction } from '@solana/kit';
import { getTransferSolInstruction } from '@solana-program/system';
import { getCreateAssociatedTokenIdempotentInstructionAsync } from '@solana-program/token';
import {
  getActivateCoStakeInstruction,
  getAppealSlashInstruction,
  getClaimCoRewardsInstruction,
  getClaimRewardsInstruction,
  getClaimVestedInstruction,
  getFinaliseSlashCaseInstruction,
  getJoinCoStakeInstruction,
  getLeaveCoStakeInstruction,
  getOpenFaultCaseInstruction,
  getRegisterDeviceInstruction,
  getRegisterProviderInstruction,
  getRequestUnstakeInstruction,
  getRetireDeviceInstruction,
  getSetCoStakeTermsInstruction,
  getSetDeviceBondInstruction,
  getSetDeviceDrainingInstruction,
  getSetDeviceOperatorInstruction,
  getSetPayoutOwnerInstruction,
  getStakeInstruction,
  getStartCoUnbondInstruction,
  getWithdrawCoStakeInstruction,
  getWithdrawStakeInstruction,
} from '@/generated/program';
import { associatedToken, type Kinds, pda, type Read } from '@/shared/chain';
import { config } from '@/shared/config';
import type { Machine } from './machine';

const mint = () => address(config().io_mint);

/** The wallet's IO account, and the instruction that makes it if it is not there. */
async function ioAccount(owner: Address, payer: Address) {
  const create = await getCreateAssociatedTokenIdempotentInstructionAsync({
    payer: createNoopSigner(payer),
    owner,
    mint: mint(),
  });
  return { account: await associatedToken(owner, mint()), create };
}

async function common(wallet: string) {
  const me = address(wallet);
  const provider = await pda.provider(me);
  return { me, authority: createNoopSigner(me), provider, network: await pda.network() };
}

async function register(wallet: string): Promise<Instruction[]> {
  const { me, authority, provider, network } = await common(wallet);
  const stakeVault = await pda.stakeVault(provider);
  return [
    getRegisterProviderInstruction({ authority, network, provider, stakeVault, ioMint: mint(), payoutOwner: me }),
  ];
}

export async function stake(wallet: string, amount: bigint): Promise<Instruction[]> {
  const { me, authority, provider, network } = await common(wallet);
  const [stakeVault, tokenAccount] = [await pda.stakeVault(provider), await associatedToken(me, mint())];
  return [getStakeInstruction({ authority, network, provider, stakeVault, tokenAccount, amount })];
}

/** A machine becomes a device, and the wallet before that what it has to be: a provider, with stake for the bond. */
export async function registerDevice(
  wallet: string,
  { hardware, operator }: Machine,
  of: {
    classId: number;
    bond: bigint;
    isProvider: boolean;
    /** Stake that is added for it, base units. */
    missing: bigint;
    /** What its operator gets for fees, lamports. */
    lamports: bigint;
  },
): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  return [
    ...(of.isProvider ? [] : await register(wallet)),
    ...(of.missing > 0n ? await stake(wallet, of.missing) : []),
    getRegisterDeviceInstruction({
      authority,
      network,
      provider,
      class: await pda.deviceClass(of.classId),
      device: await pda.device(hardware),
      hardware,
      operator,
      bond: of.bond,
    }),
    ...(of.lamports > 0n
      ? [getTransferSolInstruction({ source: authority, destination: operator, amount: of.lamports })]
      : []),
  ];
}

export async function setOperator(wallet: string, device: Address, operator: Address): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  return [getSetDeviceOperatorInstruction({ authority, network, provider, device, operator })];
}

export async function setBond(wallet: string, device: Address, bond: bigint): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  return [getSetDeviceBondInstruction({ authority, network, provider, device, bond })];
}

export async function retire(wallet: string, device: Address): Promise<Instruction[]> {
  const { authority, provider } = await common(wallet);
  return [getRetireDeviceInstruction({ authority, provider, device })];
}

/** What a wrong hardware proof still costs moves into a slash case: `number` is of the next one. */
export async function payPenalty(wallet: string, device: Address, number: bigint): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  const slashCase = await pda.slashCase(provider, number);
  return [
    getOpenFaultCaseInstruction({
      opener: authority,
      network,
      device,
      provider,
      stakeVault: await pda.stakeVault(provider),
      coVault: await pda.coVault(provider),
      slashCase,
      slashVault: await pda.vault(slashCase),
      ioMint: mint(),
    }),
  ];
}

export async function setPayoutOwner(wallet: string, payoutOwner: Address): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  return [getSetPayoutOwnerInstruction({ authority, network, provider, payoutOwner })];
}

export async function unstake(wallet: string, amount: bigint): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  return [getRequestUnstakeInstruction({ authority, network, provider, amount })];
}

export async function withdraw(wallet: string): Promise<Instruction[]> {
  const { me, authority, provider, network } = await common(wallet);
  const { account, create } = await ioAccount(me, me);
  const stakeVault = await pda.stakeVault(provider);
  return [create, getWithdrawStakeInstruction({ authority, network, provider, stakeVault, tokenAccount: account })];
}

export async function setTerms(wallet: string, commissionBps: number, open: boolean): Promise<Instruction[]> {
  const { authority, provider, network } = await common(wallet);
  const coVault = await pda.coVault(provider);
  return [
    getSetCoStakeTermsInstruction({ authority, network, provider, coVault, ioMint: mint(), commissionBps, open }),
  ];
}

export async function drain(wallet: string, device: Address, draining: boolean): Promise<Instruction[]> {
  const { authority, provider } = await common(wallet);
  return [getSetDeviceDrainingInstruction({ signer: authority, provider, device, draining })];
}

export async function claimRewards(
  wallet: string,
  provider: Read<Kinds['provider']>,
  leaf: { cumulative: bigint; index: number; proof: Uint8Array[] },
): Promise<Instruction[]> {
  const me = address(wallet);
  const emission = await pda.emission();
  const { account, create } = await ioAccount(provider.data.payoutOwner, me);
  return [
    create,
    getClaimRewardsInstruction({
      signer: createNoopSigner(me),
      emission,
      vault: await pda.vault(emission),
      provider: provider.address,
      coVault: await pda.coVault(provider.address),
      destination: account,
      cumulative: leaf.cumulative,
      index: leaf.index,
      proof: leaf.proof,
    }),
  ];
}

export async function claimVested(wallet: string, vesting: Read<Kinds['vesting']>): Promise<Instruction[]> {
  const me = address(wallet);
  const { account, create } = await ioAccount(me, me);
  return [
    create,
    getClaimVestedInstruction({
      beneficiary: createNoopSigner(me),
      vesting: vesting.address,
      vault: vesting.data.vault,
      tokenAccount: account,
    }),
  ];
}

export async function appeal(wallet: string, slashCase: Address): Promise<Instruction[]> {
  const { me, authority, provider, network } = await common(wallet);
  return [
    getAppealSlashInstruction({
      authority,
      network,
      provider,
      slashCase,
      slashVault: await pda.vault(slashCase),
      tokenAccount: await associatedToken(me, mint()),
    }),
  ];
}

export async function finalise(slashCase: Address, provider: Address, device: Address): Promise<Instruction[]> {
  return [
    getFinaliseSlashCaseInstruction({
      network: await pda.network(),
      provider,
      device,
      slashCase,
      slashVault: await pda.vault(slashCase),
      stakeVault: await pda.stakeVault(provider),
      coVault: await pda.coVault(provider),
      ioMint: mint(),
    }),
  ];
}

/** `maxCommissionBps` is what was shown: a higher one is refused. */
export async function joinCoStake(
  wallet: string,
  provider: Address,
  amount: bigint,
  maxCommissionBps: number,
): Promise<Instruction[]> {
  const me = address(wallet);
  return [
    getJoinCoStakeInstruction({
      coStaker: createNoopSigner(me),
      network: await pda.network(),
      provider,
      coStake: await pda.coStake(provider, me),
      coVault: await pda.coVault(provider),
      tokenAccount: await associatedToken(me, mint()),
      amount,
      maxCommissionBps,
    }),
  ];
}

export type CoStep = 'activate' | 'claim' | 'leave' | 'unbond' | 'withdraw';

export async function moveCoStake(step: CoStep, wallet: string, of: Read<Kinds['coStake']>): Promise<Instruction[]> {
  const me = address(wallet);
  const signer = createNoopSigner(me);
  const { provider } = of.data;
  const [coStake, network] = [of.address, await pda.network()];
  switch (step) {
    case 'activate':
      return [getActivateCoStakeInstruction({ provider, coStake })];
    case 'leave':
      return [getLeaveCoStakeInstruction({ signer, network, provider, coStake })];
    case 'unbond':
      return [getStartCoUnbondInstruction({ signer, network, provider, coStake })];
    default: {
      const { account, create } = await ioAccount(of.data.coStaker, me);
      const accounts = {
        network,
        provider,
        coStake,
        coVault: await pda.coVault(provider),
        stakeVault: await pda.stakeVault(provider),
        destination: account,
      };
      return step === 'claim'
        ? [create, getClaimCoRewardsInstruction(accounts)]
        : [create, getWithdrawCoStakeInstruction({ ...accounts, coStaker: of.data.coStaker })];
    }
  }
}
