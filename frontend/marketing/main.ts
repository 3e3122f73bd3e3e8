// The marketing site is plain HTML: this brings its style.
import '@/styles/index.css'
