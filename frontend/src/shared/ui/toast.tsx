// One short sentence about something that has been done, read out and gone after a while.
import { useEffect } from 'react'
import { create } from 'zustand'

interface Toasts {
  text: string | null
  say: (text: string) => void
  hush: () => void
}

const useToasts = create<Toasts>((set) => ({
  text: null,
  say: (text) => {
    set({ text })
  },
  hush: () => {
    set({ text: null })
  },
}))

export const say = (text: string) => {
  useToasts.getState().say(text)
}

export function Toaster() {
  const { text, hush } = useToasts()
  useEffect(() => {
    if (text === null) return
    const timer = setTimeout(hush, 5_000)
    return () => {
      clearTimeout(timer)
    }
  }, [text, hush])
  return (
    <div
      role="status"
      className="no-print pointer-events-none fixed inset-x-0 bottom-5 z-50 flex justify-center px-4"
    >
      {text !== null && (
        <p className="animate-rise rounded-full bg-ink px-4 py-2 text-sm font-medium text-bg shadow-lg">
          {text}
        </p>
      )}
    </div>
  )
}
