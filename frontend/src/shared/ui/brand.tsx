/** The name with its spark. */
export function Brand({ className = '' }: { className?: string }) {
  return (
    <span
      className={`inline-flex items-center gap-2 text-lg font-semibold tracking-tight text-ink ${className}`}
    >
      <svg width="24" height="24" viewBox="0 0 24 24" aria-hidden className="text-accent">
        <path
          fill="currentColor"
          d="M13.2 1.8c.5 3.4-.6 5.2-2.500 7.300C8.500 11.4 6.3 13.2 6.3 16.3a5.900 5.900 0 0 0 5.900 5.900c3.500 0 6-2.700 6-6.200 0-2.700-1.300-4.900-2.800-6.400.1 1.800-.3 3.100-1.500 3.900.6-4.300-.2-8.700-.7-11.700Z"
        />
      </svg>
      igny8
    </span>
  )
}
