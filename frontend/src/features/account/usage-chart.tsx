// The only file that knows the charting library.
import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts'
import { count, plural, shortDay } from '@/shared/lib/format'
import type { UsedOn } from './api'

export default function UsageChart({ days }: { days: UsedOn[] }) {
  const used = days.filter((each) => each.consumed > 0)
  return (
    <figure>
      <div aria-hidden className="h-64">
        <ResponsiveContainer width="100%" height="100%">
          <BarChart data={days} margin={{ top: 8, right: 4, bottom: 0, left: 0 }} accessibilityLayer={false}>
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="day"
              tickFormatter={shortDay}
              tick={{ fill: 'var(--ink-3)', fontSize: 12 }}
              axisLine={{ stroke: 'var(--line)' }}
              tickLine={false}
              minTickGap={28}
            />
            <YAxis
              allowDecimals={false}
              width={44}
              domain={[0, (most: number) => Math.max(10, most)]}
              tickFormatter={count}
              tick={{ fill: 'var(--ink-3)', fontSize: 12 }}
              axisLine={false}
              tickLine={false}
            />
            <Tooltip
              cursor={{ fill: 'var(--sunken)' }}
              content={({ active, payload }) => {
                const shown = payload[0]?.payload as UsedOn | undefined
                if (!active || !shown) return null
                return (
                  <div className="rounded-lg border border-line bg-surface px-3 py-2 text-sm shadow-lg">
                    <p className="text-ink-3">{shortDay(shown.day)}</p>
                    <p className="font-medium text-ink">{plural(shown.consumed, 'credit')}</p>
                  </div>
                )
              }}
            />
            <Bar
              dataKey="consumed"
              fill="var(--chart)"
              radius={[4, 4, 0, 0]}
              maxBarSize={28}
              isAnimationActive={false}
            />
          </BarChart>
        </ResponsiveContainer>
      </div>
      <figcaption className="sr-only">
        {used.length === 0
          ? 'No credits were used on these days.'
          : used.map((each) => `${shortDay(each.day)}: ${plural(each.consumed, 'credit')}`).join('. ')}
      </figcaption>
    </figure>
  )
}
