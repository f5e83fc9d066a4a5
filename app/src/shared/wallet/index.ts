export { type ConnectedWallet, WalletFailure } from './store';
export { useWallet, useWallets } from './use-wallet';
export { WalletButton } from './wallet-button';
