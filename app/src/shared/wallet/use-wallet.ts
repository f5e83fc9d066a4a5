import { useSyncExternalStore } from 'react';
import { type ConnectedWallet, snapshot, stillSnapshot, subscribe, type WalletState } from './store';

export function useWallets(): WalletState {
  return useSyncExternalStore(subscribe, snapshot, stillSnapshot);
}

/** Whether the wallet of last time may still come back by itself: until then its absence says nothing. */
export function useRestoring(): boolean {
  const { connected, restoring } = useWallets();
  return restoring && connected === null;
}

/** The connected wallet, or null. */
export function useWallet(): ConnectedWallet | null {
  return useWallets().connected;
}
