package scans

// updates is how many states wait for a watcher. When it is behind, states in
// between are left out: each one tells all that those before it told.
const updates = 256

// Watcher follows one scan.
type Watcher struct {
	tracker *Tracker
	id      string
	states  chan State
}

// Watch follows a scan of the last day, also one whose request is on its way.
// The first state is the present one, where there is one.
func (t *Tracker) Watch(id string) *Watcher {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &Watcher{tracker: t, id: id, states: make(chan State, updates)}
	if t.watchers[id] == nil {
		t.watchers[id] = map[*Watcher]struct{}{}
	}
	t.watchers[id][w] = struct{}{}
	if s, ok := t.scans[id]; ok {
		w.states <- s.state()
	}
	return w
}

// States delivers the scan's states, the last one surely.
func (w *Watcher) States() <-chan State { return w.states }

// Close ends the watching. It may be called more than once.
func (w *Watcher) Close() {
	w.tracker.mu.Lock()
	defer w.tracker.mu.Unlock()
	delete(w.tracker.watchers[w.id], w)
	if len(w.tracker.watchers[w.id]) == 0 {
		delete(w.tracker.watchers, w.id)
	}
}

// tell hands a new state to whoever watches; the caller holds the lock.
func (t *Tracker) tell(id string, e *entry) {
	watching := t.watchers[id]
	if len(watching) == 0 {
		return
	}
	s := e.state()
	for w := range watching {
		for sent := false; !sent; {
			select {
			case w.states <- s:
				sent = true
			default:
				select {
				case <-w.states: // the oldest makes room
				default:
				}
			}
		}
	}
}
