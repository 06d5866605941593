package scheduler

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

// expectDue takes the next offer, which must be the outlet's and due then.
func expectDue(t *testing.T, o *offers, outlet string, ms int) {
	t.Helper()
	got, due, ok := o.peek()
	if !ok || got != outlet || !due.Equal(at(ms)) {
		t.Fatalf("next is %q at %d ms (%v), want %q at %d ms", got, due.UnixMilli(), ok, outlet, ms)
	}
	o.take()
}

func TestRefusedIsOfferedEverMoreSlowly(t *testing.T) {
	t.Parallel()
	o := newOffers([]string{"A"}, at(0))
	now := 0
	expectDue(t, o, "A", 0)
	for _, pause := range []int{50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000} {
		o.refused("A", at(now))
		now += pause
		expectDue(t, o, "A", now)
	}
}

func TestLookBringsTheOfferForward(t *testing.T) {
	t.Parallel()
	o := newOffers([]string{"A"}, at(0))
	expectDue(t, o, "A", 0)
	for range 6 {
		o.refused("A", at(0))
		o.take()
	}
	o.refused("A", at(0)) // due after 3.2 s
	o.looked("a", at(10))
	expectDue(t, o, "A", 60)
	o.refused("A", at(60))
	expectDue(t, o, "A", 160)
	o.looked("A", at(170)) // while it is with a publisher
	o.refused("A", at(200))
	expectDue(t, o, "A", 250)
}

func TestDroppedIsNeverOffered(t *testing.T) {
	t.Parallel()
	o := newOffers([]string{"A", "B", "C"}, at(0))
	o.drop("a")
	o.drop("a")
	expectDue(t, o, "C", 0)
	o.drop("C") // with a publisher
	o.refused("C", at(0))
	o.looked("C", at(0))
	expectDue(t, o, "B", 0)
	if got, _, ok := o.peek(); ok {
		t.Errorf("%q is still offered", got)
	}
}

// TestOffersAgainstAMap compares the heap with a map that is searched.
func TestOffersAgainstAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		outlets := []string{"A", "B", "C", "D", "E", "F", "G"}
		o, now := newOffers(outlets, at(0)), 0
		due, out := map[string]time.Time{}, map[string]bool{}
		for _, x := range outlets {
			due[x] = at(0)
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				x, when, ok := o.peek()
				if !ok {
					t.Skip("nothing waits")
				}
				for y, d := range due {
					if d.Before(when) {
						t.Fatalf("%q is next at %v, but %q is due at %v", x, when, y, d)
					}
				}
				if !when.Equal(due[x]) {
					t.Fatalf("%q is due at %v, want %v", x, when, due[x])
				}
				o.take()
				delete(due, x)
				out[x] = true
			},
			"refused": func(t *rapid.T) {
				x := rapid.SampledFrom(outlets).Draw(t, "outlet")
				o.refused(x, at(now))
				if out[x] {
					delete(out, x)
					due[x] = o.byKey[x].due
					if p := due[x].Sub(at(now)); p < offerFirst || p > offerMost {
						t.Fatalf("%q pauses for %v", x, p)
					}
				}
			},
			"looked": func(t *rapid.T) {
				x := rapid.SampledFrom(outlets).Draw(t, "outlet")
				o.looked(x, at(now))
				if _, waits := due[x]; waits {
					due[x] = at(now).Add(offerFirst)
				}
			},
			"drop": func(t *rapid.T) {
				x := rapid.SampledFrom(outlets).Draw(t, "outlet")
				o.drop(x)
				delete(due, x)
				delete(out, x)
			},
			"later": func(t *rapid.T) { now += rapid.IntRange(1, 500).Draw(t, "ms") },
			"": func(t *rapid.T) {
				if _, _, ok := o.peek(); ok != (len(due) > 0) {
					t.Fatalf("something waits: %v, want %d", ok, len(due))
				}
			},
		})
	})
}
