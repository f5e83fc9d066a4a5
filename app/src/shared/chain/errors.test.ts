import { describe, expect, it } from 'vitest';
import { explain } from './errors';

const custom = (code: number) => ({ InstructionError: [2, { Custom: code }] });

describe('what the chain refused', () => {
  it('is said in the program’s own words', () => {
    const log =
      'Program log: AnchorError thrown in src/instructions/job/dispute_job.rs:25. Error Code: WrongState. Error Number: 6018. Error Message: The job is not in a state that allows this.';
    const failure = explain(custom(6_018), ['Program x invoke [1]', log, 'Program x failed']);
    expect(failure.message).toBe('the program refused it: The job is not in a state that allows this');
    expect(failure.mayHaveLanded).toBe(false);
  });
  it('is told by its number where nothing was logged', () => {
    expect(explain(custom(6_018)).message).toBe('the program refused it: error 6018');
    expect(explain(custom(17)).message).toBe('a program refused it with error 17');
    expect(explain(custom(1)).message).toContain('holds too little');
  });
  it('names what the wallet lacks', () => {
    expect(explain('InsufficientFundsForFee').hint).toContain('SOL');
    expect(explain({ InsufficientFundsForRent: { account_index: 1 } }).message).toContain('rent');
  });
});
