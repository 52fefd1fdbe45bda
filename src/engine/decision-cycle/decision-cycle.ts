/**
 * One model decides in one slot: fill sync → frame → context → answer → guardrails → orders → record.
 *
 * The cycle is resumed, never repeated. Each step is stored under the model's lease, and each intent before it leaves the process:
 *
 *   started ─► asking ─► answered ─► sending ─► done
 *                                          └─► guarding ─┘   (a stop was not placed)
 *
 * A deterministic model is simply asked again, so its steps up to `sending` are one commit. A language model is never asked twice:
 * an intent without an answer ends the cycle as `answer_lost`. Orders are sent byte by byte as they were stored.
 */

import type { MarketFrame } from '../../domain/decision.ts';
import { nakedEntries } from '../../domain/stops.ts';
import { lateAfterMs } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import type { AccountState } from '../../exchange/exchange.ts';
import type { CycleEnd } from '../../store/cycle-end.ts';
import type { StartedCycle } from '../../store/cycle-start.ts';
import { type Cycle, type CycleOrders, type CyclePatch, saveStep, saveStepIfRunning } from '../../store/decisions.ts';
import type { TraderRow } from '../../store/trader-state.ts';
import { committed, done, type Outcome, type Stories, type Trader } from '../context.ts';
import { syncFills, syncFillsBehind } from '../ingest-fills.ts';
import type { FrameBuilder } from '../market-frame.ts';
import { type Gate, traderGate } from '../trader-gate.ts';
import { type Asked, askBuiltin, conversation } from './ask.ts';
import { askEndpoint } from './ask-endpoint.ts';
import { buildContext } from './build-context.ts';
import { closeNaked, reportNaked } from './close-naked.ts';
import { lookUpRequest, reviewAnswer, sendRequest } from './orders.ts';
import { endOf } from './record.ts';

export class DecisionCycle {
  readonly #stories: Stories;
  readonly #frames: FrameBuilder;
  readonly #trader: Trader;
  readonly #start: StartedCycle;
  /** The account, where it was asked for before the cycle began. */
  readonly #ahead: Promise<AccountState | null> | null;
  readonly #signal: AbortSignal;
  readonly #record: (end: CycleEnd) => Promise<void>;
  #cycle: Cycle;
  /** What was found at the beginning still holds: no fill has come since. */
  #mayRemember = true;

  constructor(
    stories: Stories,
    frames: FrameBuilder,
    trader: Trader,
    start: StartedCycle,
    ahead: Promise<AccountState | null> | null,
    signal: AbortSignal,
    record: (end: CycleEnd) => Promise<void>,
  ) {
    this.#stories = stories;
    this.#frames = frames;
    this.#trader = trader;
    this.#start = start;
    this.#ahead = ahead;
    this.#signal = signal;
    this.#record = record;
    this.#cycle = start.cycle;
  }

  /** Market time goes on while a model is awaited: an order is stamped when it is sent, not when the cycle began. */
  get #nowMs(): number {
    return this.#stories.clock.now(this.#cycle.slotMs);
  }

  async run(): Promise<Outcome> {
    const { step, orders } = this.#cycle;
    if (step === 'started') return this.#decide();
    await this.#syncFills();
    if (step === 'asking') return this.#answerLost();
    if (step === 'sending') return this.#sendAgain(await this.#rememberedMessages());
    if (step === 'guarding' && orders?.guard) return this.#guard({}, orders, await this.#rememberedMessages());
    return this.#decide();
  }

  /** What the exchange has beyond the ledger, which is known to go as far as it did at the beginning until something comes. */
  async #syncFills(): Promise<void> {
    const { modelId } = this.#cycle;
    const follow = { snapshot: true };
    if (this.#mayRemember) {
      const { syncedSeq } = this.#start.found;
      const { told } = await syncFillsBehind(this.#stories, modelId, syncedSeq, this.#nowMs, follow);
      this.#mayRemember = told === 0;
    } else await syncFills(this.#stories, modelId, this.#nowMs, follow);
  }

  /**
   * The account as the exchange has it, when the ledger has everything that led there. `ahead`: as it was read beside the frame; else it
   * is asked for now that the frame is there.
   */
  async #account(ahead: AccountState | null): Promise<AccountState> {
    const { exchange, clock } = this.#stories;
    const { modelId, slotMs } = this.#cycle;
    if (exchange.tellsHead) {
      // What came before may have been lost in a crash and have come again since; a replay must decide on the same every time.
      if (ahead === null && clock.repeats) {
        await this.#frames.settled(slotMs, this.#signal);
        this.#mayRemember = false;
      }
      const state = ahead ?? (await exchange.accountState(modelId));
      if (this.#mayRemember && state.headSeq === this.#start.found.syncedSeq) return state;
    }
    await this.#syncFills();
    return exchange.accountState(modelId);
  }

  /** Frame, context, answer and orders; what is stored already is used as it is. */
  async #decide(): Promise<Outcome> {
    const gate = await this.#gate(this.#start.found.trader);
    if (gate.kind === 'held') {
      await this.#syncFills();
      return this.#hold(gate.reason, null);
    }
    const [stored, ahead] = await Promise.all([
      this.#frames.frame(this.#cycle.slotMs, this.#signal, !this.#isLate()),
      this.#cycle.answer === null
        ? (this.#ahead ?? accountAhead(this.#stories, this.#cycle.modelId, this.#cycle.slotMs))
        : null,
    ]);
    if (stored === null) return this.#hold('the slot is late and has no frame', 'NOF0_FRAME_MISSING');
    const asked =
      this.#cycle.answer === null
        ? await this.#ask(stored.frame, ahead)
        : {
            kind: 'answered' as const,
            answer: this.#cycle.answer,
            patch: {},
            messages: await this.#rememberedMessages(),
          };
    if (asked.kind === 'failed')
      return this.#finish({ ...asked.patch, ...holdPatch(asked.code, asked.reason) }, asked.messages);
    const context = this.#cycle.context ?? asked.patch.context;
    if (context === undefined) throw new CodedError('NOF0_INTERNAL', 'an answered cycle has no context');
    const review = reviewAnswer(this.#stories, asked.answer, context, stored.frame, {
      mayEnter: !this.#isLate(),
      sends: gate.kind === 'running',
      nowMs: this.#nowMs,
    });
    const patch: CyclePatch = {
      ...asked.patch,
      decisions: asked.answer.decisions,
      rejected: review.rejected,
      orders: review.orders,
    };
    if (review.orders.legs.length === 0) return this.#finish({ ...patch, success: true }, asked.messages);
    const stopped = await this.#startSending({ ...patch, step: 'sending' });
    if (stopped !== null) return this.#finish({ ...asked.patch, ...holdPatch(null, stopped) }, asked.messages);
    return this.#send(patch, asked.messages);
  }

  /** Stores the orders unless somebody has stopped the trader while its model thought; then says why they are not sent. */
  async #startSending(patch: CyclePatch): Promise<string | null> {
    this.#signal.throwIfAborted();
    const { db } = this.#stories;
    const { slotMs } = this.#cycle;
    if (await committed(this.#stories, 'cycle-step', () => saveStepIfRunning(db, this.#start.lease, slotMs, patch)))
      return null;
    // Stopped by a breaker at this very moment it may still be free: the gate knows.
    const gate = await this.#gate();
    if (gate.kind !== 'running') return gate.kind === 'held' ? gate.reason : 'the trader is shadow';
    await this.#save(patch);
    return null;
  }

  /** Asked before the model and again before orders leave: it may think for a minute, and somebody may pause the trader meanwhile. */
  #gate(known?: TraderRow): Promise<Gate> {
    return traderGate(this.#stories, this.#cycle.modelId, this.#nowMs, known);
  }

  /** Builds the context and asks. The intent of a call that costs money is stored before it. */
  async #ask(frame: MarketFrame, ahead: AccountState | null): Promise<Asked> {
    const { modelId, slotMs, cycleNumber } = this.#cycle;
    const account = await this.#account(ahead);
    const memory = this.#mayRemember ? this.#start.found.memory : null;
    const context = await buildContext(this.#stories, { modelId, slotMs, cycleNumber }, account, memory);
    this.#signal.throwIfAborted();
    if (this.#trader.model.deterministic) return askBuiltin(this.#stories, this.#trader, context, frame, this.#signal);
    return askEndpoint(this.#stories, this.#trader, context, frame, this.#start.lease, this.#signal);
  }

  /** Goes on with orders that were stored before the process died. Of a trader that was stopped since, none leaves that had not left. */
  async #sendAgain(messages: Asked['messages']): Promise<Outcome> {
    const gate = await this.#gate();
    if (gate.kind === 'running') return this.#send({}, messages);
    const { modelId, orders } = this.#cycle;
    if (!orders?.request) throw new CodedError('NOF0_INTERNAL', 'a cycle that sends has no orders');
    const reason = gate.kind === 'held' ? gate.reason : 'the trader is shadow';
    const sent = await lookUpRequest(this.#stories, modelId, orders, reason);
    if (sent.legs.some((leg) => leg.oid !== null)) return this.#sent({}, sent, messages);
    return this.#finish({ orders: sent, success: false, errorMessage: reason }, messages);
  }

  async #send(patch: CyclePatch, messages: Asked['messages'] = []): Promise<Outcome> {
    const orders = patch.orders ?? this.#cycle.orders;
    if (!orders?.request) throw new CodedError('NOF0_INTERNAL', 'a cycle that sends has no orders');
    const { modelId } = this.#cycle;
    const sent = await sendRequest(this.#stories, modelId, orders, this.#nowMs, this.#signal);
    return this.#sent(patch, sent, messages);
  }

  async #sent(patch: CyclePatch, sent: CycleOrders, messages: Asked['messages']): Promise<Outcome> {
    if (nakedEntries(sent.legs).length > 0) return this.#guard(patch, sent, messages);
    // The answer of an exchange is no fill: it only says that there is something to fetch.
    await this.#syncFills();
    return this.#finish({ ...patch, orders: sent, success: true }, messages);
  }

  /** Closes positions whose stop was not placed. The closing orders are stored before they leave, like all others. */
  async #guard(patch: CyclePatch, sent: CycleOrders, messages: Asked['messages']): Promise<Outcome> {
    const { modelId } = this.#cycle;
    const orders = await closeNaked(this.#stories, this.#cycle, sent, this.#nowMs, this.#signal, (next) =>
      this.#save({ ...patch, orders: next, step: 'guarding' }),
    );
    await this.#syncFills();
    const errorMessage = reportNaked(this.#stories, modelId, orders);
    return this.#finish(
      { ...patch, orders, success: false, errorCode: 'NOF0_STOP_NOT_PLACED', errorMessage },
      messages,
    );
  }

  /** Asked at each step: a slow answer may come too late for an entry although the cycle began in time. */
  #isLate(): boolean {
    return isLate(this.#stories, this.#trader, this.#cycle.slotMs);
  }

  /** The conversation of a cycle that was answered before its process died. */
  async #rememberedMessages(): Promise<Asked['messages']> {
    const { answer, context, slotMs } = this.#cycle;
    const stored = await this.#frames.frame(slotMs, this.#signal, false);
    if (answer === null || context === null || stored === null) return [];
    return conversation(this.#trader, context, stored.frame, JSON.stringify(answer));
  }

  #answerLost(): Promise<Outcome> {
    return this.#finish(
      holdPatch(
        'NOF0_LLM_UNAVAILABLE',
        'answer_lost: the process died while the model was being asked; it is not asked twice',
      ),
      [],
    );
  }

  #hold(reason: string, code: CodedError['code'] | null): Promise<Outcome> {
    return this.#finish(holdPatch(code, reason), []);
  }

  async #save(patch: CyclePatch): Promise<void> {
    this.#signal.throwIfAborted();
    await committed(this.#stories, 'cycle-step', () =>
      saveStep(this.#stories.db, this.#start.lease, this.#cycle.slotMs, patch),
    );
  }

  async #finish(patch: CyclePatch, messages: Asked['messages']): Promise<Outcome> {
    this.#signal.throwIfAborted();
    await this.#record(
      endOf(
        this.#stories,
        this.#start.lease,
        this.#cycle.slotMs,
        this.#nowMs,
        { ...patch, configDigest: this.#trader.configDigest },
        messages,
        (patch.context ?? this.#cycle.context)?.history ?? null,
      ),
    );
    return done({
      orders: patch.orders?.legs.length ?? 0,
      rejected: patch.rejected?.length ?? 0,
      ...(patch.errorCode ? { error: patch.errorCode } : {}),
    });
  }
}

/** The account while the frame is still being made. It holds where it says itself that the slot's prices are worked through in it. */
export async function accountAhead(
  { exchange }: Stories,
  modelId: string,
  slotMs: number,
): Promise<AccountState | null> {
  if (!exchange.tellsHead) return null;
  const state = await exchange.accountState(modelId);
  return state.matchedMs === null || state.matchedMs < slotMs ? null : state;
}

/** Whether it is too late by now for a slot's entries. */
export function isLate(stories: Stories, trader: Trader, slotMs: number): boolean {
  return stories.clock.now(slotMs) > lateAfterMs(slotMs, trader.participant.decision ?? stories.pace.decision);
}

function holdPatch(code: CodedError['code'] | null, reason: string): CyclePatch {
  return { success: false, decisions: [], errorCode: code, errorMessage: reason };
}
