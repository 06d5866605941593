package prober

import "sync"

// quietPerWorker is how many looks that only wait for their outlets may be
// under way beside each worker. They cost a socket and some kilobytes.
const quietPerWorker = 7

// worker is one look's claim on the prober: one of its free workers, until the
// look falls quiet. Then another look may begin: a thousand silent outlets do
// not keep a healthy one waiting for its turn.
type worker struct {
	p *Prober

	mu    sync.Mutex
	quiet bool // the worker is free for others, and a quiet place is taken
	done  bool
}

// fallQuiet frees the worker where there is a quiet place. It may be called
// more than once, and late.
func (w *worker) fallQuiet() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quiet || w.done {
		return
	}
	select {
	case w.p.quiet <- struct{}{}:
		w.quiet = true
		w.p.free <- struct{}{}
	default:
	}
}

// end gives back what is held.
func (w *worker) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	if w.quiet {
		<-w.p.quiet
		return
	}
	w.p.free <- struct{}{}
}
