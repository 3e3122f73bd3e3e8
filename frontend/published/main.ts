// The public sites are plain HTML: this brings their style.
import '@/styles/index.css'
