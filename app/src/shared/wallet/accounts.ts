/** Which of a wallet's accounts is used. Pure. */
import type { WalletAccount } from '@wallet-standard/base';
import type { Chain } from '@/shared/config';

/** A chain of one's own has no name that wallets know: any of their accounts may be for it. */
const NAMELESS: Chain = 'solana:localnet';

/** Those that sign for this chain. */
export function accountsOn(accounts: readonly WalletAccount[], chain: Chain): WalletAccount[] {
  return accounts.filter((one) => chain === NAMELESS || one.chains.includes(chain));
}

/** The one that was chosen before if it is still there, or the first. */
export function accountOn(
  accounts: readonly WalletAccount[],
  chain: Chain,
  before: string | null,
): WalletAccount | undefined {
  const all = accountsOn(accounts, chain);
  return all.find((one) => one.address === before) ?? all[0];
}
