import { useSyncExternalStore } from 'react';
import { type ConnectedWallet, snapshot, subscribe, type WalletState } from './store';

export function useWallets(): WalletState {
  return useSyncExternalStore(subscribe, snapshot);
}

/** The connected wallet, or null. */
export function useWallet(): ConnectedWallet | null {
  return useWallets().connected;
}
