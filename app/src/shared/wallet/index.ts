export { type ConnectedWallet, WalletFailure } from './store';
export { useRestoring, useWallet, useWallets } from './use-wallet';
export { WalletButton } from './wallet-button';
