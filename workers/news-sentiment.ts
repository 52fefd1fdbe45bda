import type { Stories } from '../src/engine/context.ts';
import { readNews } from '../src/engine/desk/news.ts';
import type { Handler } from './define-worker.ts';

export function newsSentimentHandler(stories: Stories): Handler<'news-sentiment'> {
  return (payload, { signal }) => readNews(stories, payload.asOfMs, signal);
}
