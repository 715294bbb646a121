import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './app/App.vue'
import { makeRouter } from './app/router'
import './design/main.css'

const app = createApp(App)
app.use(createPinia())
app.use(makeRouter())
app.mount('#app')
