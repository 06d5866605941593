import './app.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { createSession, takeTokenFromAddress } from './api/session';
import { App } from './App';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

const session = createSession(window.localStorage);
takeTokenFromAddress(session, window.location, window.history);

createRoot(root).render(
  <StrictMode>
    <App session={session} />
  </StrictMode>,
);
