import { config } from './index';

/** The configuration, which the shell waits for before it shows anything. */
export const useConfig = config;
