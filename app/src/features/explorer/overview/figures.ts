/** How charts write their figures. */
import { count } from '@/shared/format';

export const millions = (value: number) => `${Math.round(value / 1_000_000)} M IO`;
export const inIo = (value: number) => `${value >= 100 ? count(Math.round(value)) : Number(value.toPrecision(3))} IO`;
/** With all digits that an amount has. */
export const exactIo = (value: number) => `${value.toLocaleString('en', { maximumFractionDigits: 8 })} IO`;
export const asPercent = (value: number) => `${Number(value.toPrecision(2))} %`;
export const whole = (value: number) => (Number.isInteger(value) ? count(value) : '');
