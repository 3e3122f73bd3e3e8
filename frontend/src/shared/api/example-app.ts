// The API of the app behind the proxy: `examples/django-app`. An app of your own has its own file here.
import type { Answer, Empty, Operation } from './operation'

export interface Site {
  id: number
  account_id: number
  name: string
  domain: string
}
export interface Keyword {
  id: number
  account_id: number
  term: string
  /** Searches a month. */
  volume: number
  /** A percentage. */
  difficulty: number
  cluster: number | null
}
export interface Cluster {
  id: number
  account_id: number
  name: string
  keyword_count: number
}
export interface Draft {
  id: number
  account_id: number
  title: string
  body: string
  /** The length that was ordered. */
  words: number
  credit_cost: number
  created_at: string
}
/** A page as Django REST framework writes it. */
export interface Listed<T> {
  count: number
  next: string | null
  previous: string | null
  results: T[]
}

interface WithId {
  id: number
}
interface Rows<T, Written> {
  get: Operation<Answer<Listed<T>>>
  post: Operation<Answer<T>, Written>
}
interface Row<T, Written> {
  get: Operation<Answer<T>, never, WithId>
  patch: Operation<Answer<T>, Partial<Written>, WithId>
  delete: Operation<Empty, never, WithId>
}

export type SiteWritten = Pick<Site, 'name' | 'domain'>
export type KeywordWritten = Pick<Keyword, 'term' | 'volume' | 'difficulty' | 'cluster'>
export type ClusterWritten = Pick<Cluster, 'name'>
export type DraftWritten = Pick<Draft, 'title' | 'body' | 'words'>

export interface AppPaths {
  '/api/v1/sites/': Rows<Site, SiteWritten>
  '/api/v1/sites/{id}/': Row<Site, SiteWritten>
  '/api/v1/planner/keywords/': Rows<Keyword, KeywordWritten>
  '/api/v1/planner/keywords/{id}/': Row<Keyword, KeywordWritten>
  '/api/v1/planner/clusters/': Rows<Cluster, ClusterWritten>
  '/api/v1/planner/clusters/{id}/': Row<Cluster, ClusterWritten>
  '/api/v1/writer/drafts/': Rows<Draft, DraftWritten>
  '/api/v1/writer/drafts/{id}/': Row<Draft, DraftWritten>
}
