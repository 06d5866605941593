package smb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

const (
	mutationWorkers = 24
	// mutationTime is the deadline of a look whose answers are changed: many
	// of them wait for what never comes.
	mutationTime = 400 * time.Millisecond
	mutationLate = 10 * time.Second // more would be a hang, on any machine
)

// mutation is one conversation whose answers are changed. All of it follows
// from its seed.
type mutation struct {
	seed    uint64
	preset  fleet.Preset
	dialect uint16
	mutator fault.Mutator
}

func newMutation(seed uint64, recorded [][]byte) mutation {
	vary := rand.New(rand.NewPCG(seed, 17))
	presets, dialects := mutatedPresets(), mutatedDialects()
	m := mutation{
		seed: seed, preset: presets[vary.IntN(len(presets))], dialect: dialects[vary.IntN(len(dialects))],
		mutator: fault.Mutator{Seed: seed, OneIn: 4 + vary.IntN(24), Resign: vary.IntN(2) == 0, Recorded: recorded},
	}
	switch {
	case vary.IntN(2) == 0: // to come farther, as a rule
		m.mutator.Spare = []smbserver.Command{smbserver.Negotiate, smbserver.SessionSetup, smbserver.TreeConnect, smbserver.Create}
		m.mutator.OneIn /= 4
	case !m.mutator.Resign && m.dialect < 0x0311: // where nothing protects this answer, and with it the clock
		m.mutator.Spare = []smbserver.Command{smbserver.Negotiate}
	}
	return m
}

func mutatedPresets() []fleet.Preset {
	return []fleet.Preset{
		fleet.Good, fleet.Good, fleet.Stale, fleet.TooSmall, fleet.EmptyFolder, fleet.SeveralUSB, fleet.FutureFile,
		fleet.FolderMissing, fleet.DriveMissing, fleet.FolderDenied, fleet.NoMedium, fleet.ClockBehind, fleet.LongNames,
	}
}

func mutatedDialects() []uint16 { return []uint16{0x0311, 0x0311, 0x0302, 0x0210} }

func (m mutation) String() string {
	return fmt.Sprintf("seed %d: %s, dialect %04x, signed anew %t", m.seed, m.preset, m.dialect, m.mutator.Resign)
}

// tape is all that was sent to the client of one outlet, until it is emptied.
type tape struct {
	mu     sync.Mutex
	faults fault.List
	sent   []byte
}

// set begins anew, with other faults.
func (s *tape) set(faults fault.List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.sent = faults, nil
}

func (s *tape) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// taped is a connection that keeps what is written to it.
type taped struct {
	net.Conn
	tape *tape
}

func (c taped) Write(p []byte) (int, error) {
	c.tape.mu.Lock()
	c.tape.sent = append(c.tape.sent, p...)
	c.tape.mu.Unlock()
	return c.Conn.Write(p)
}

// stage is an outlet of each kind, for one conversation at a time.
type stage struct {
	outlets map[string]*fleet.Outlet
	tapes   map[string]*tape
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{outlets: map[string]*fleet.Outlet{}, tapes: map[string]*tape{}}
	for _, dialect := range mutatedDialects() {
		var specs []fleet.Spec
		for _, preset := range mutatedPresets() {
			key := fmt.Sprintf("%s-%04x", preset, dialect)
			if s.tapes[key] == nil {
				s.tapes[key] = &tape{}
				specs = append(specs, fleet.New(fleet.Plan{Code: key, Preset: preset, Seed: 11, Now: time.Now()}))
			}
		}
		f, err := fleet.Start(context.Background(), specs, fleet.Options{
			Dialects: []uint16{dialect},
			Intercept: func(o *fleet.Outlet) smbserver.Intercept {
				tape := s.tapes[o.Code()]
				return func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
					tape.mu.Lock()
					faults := tape.faults
					tape.mu.Unlock()
					return faults.Write(ctx, taped{conn, tape}, r, nil)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		for _, o := range f.Outlets() {
			s.outlets[o.Code()] = o
		}
	}
	return s
}

// outcomes counts how conversations ended.
type outcomes struct {
	looks, ok, conclusive, inconclusive atomic.Int64

	mu      sync.Mutex
	longest time.Duration
}

// run holds a conversation and lets judge say what is wrong about its end.
func (s *stage) run(t testing.TB, m mutation, ended *outcomes) {
	key := fmt.Sprintf("%s-%04x", m.preset, m.dialect)
	o, tape := s.outlets[key], s.tapes[key]
	tape.set(fault.List{fault.Every(m.mutator.Act())})
	defer gone(t, o) // or it could still write on the next tape
	ctx, cancel := context.WithTimeout(context.Background(), mutationTime)
	defer cancel()
	began := time.Now()
	results := smb.Look(ctx, smb.Options{}, bothModes(o.Addr(), account()), today(began))
	took := time.Since(began)
	if took > mutationTime+mutationLate {
		t.Errorf("%s: the look took %v", m, took)
	}
	ended.mu.Lock()
	ended.longest = max(ended.longest, took)
	ended.mu.Unlock()
	if _, err := json.Marshal(results); err != nil {
		t.Errorf("%s: what was seen cannot be stored: %v", m, err)
	}
	for _, r := range results {
		ended.looks.Add(1)
		v := judge(r)
		switch {
		case v.Cause == events.CauseOK:
			ended.ok.Add(1)
		case v.Conclusive:
			ended.conclusive.Add(1)
		default:
			ended.inconclusive.Add(1)
		}
		if err := m.check(o, tape.bytes(), r, v); err != nil {
			t.Errorf("%s: %s: %v\n%+v\n%+v", m, r.Mode, err, v, r)
		}
	}
}

// mutate holds conversations of the seeds that come from next, until it says
// that there are no more.
func mutate(t testing.TB, next func() (seed uint64, ok bool)) *outcomes {
	t.Helper()
	recorded := record(t)
	var ended outcomes
	var workers sync.WaitGroup
	for range mutationWorkers {
		s := newStage(t)
		workers.Go(func() {
			for seed, ok := next(); ok && !t.Failed(); seed, ok = next() {
				s.run(t, newMutation(seed, recorded), &ended)
			}
		})
	}
	workers.Wait()
	t.Logf("%d looks: %d ok, %d else conclusive, %d inconclusive; the longest took %v, with a deadline of %v",
		ended.looks.Load(), ended.ok.Load(), ended.conclusive.Load(), ended.inconclusive.Load(), ended.longest, mutationTime)
	return &ended
}

// record gives the answers of whole conversations.
func record(t testing.TB) [][]byte {
	t.Helper()
	s := newStage(t)
	var messages [][]byte
	for key, o := range s.outlets {
		smb.Look(t.Context(), smb.Options{}, bothModes(o.Addr(), account()), today(time.Now()))
		messages = append(messages, framesOf(s.tapes[key].bytes())...)
	}
	if len(messages) < 100 {
		t.Fatalf("only %d messages recorded", len(messages))
	}
	return messages
}

// number reads an environment variable, such as the seed that a failed run
// printed.
func number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestMutatedConversations changes the answers of conversations at random, see
// [mutation.check]. MUTATIONS says how many, MUTATION_SEED of which seed the
// first is: MUTATIONS=1 with the seed of a failure repeats it.
func TestMutatedConversations(t *testing.T) {
	t.Parallel()
	first, n := number(t, "MUTATION_SEED", 1), number(t, "MUTATIONS", 1000)
	var done atomic.Uint64
	ended := mutate(t, func() (uint64, bool) {
		i := done.Add(1) - 1
		return first + i, i < n
	})
	if least := int64(n / 100); n >= 1000 && (ended.ok.Load() < least || ended.inconclusive.Load() < least || ended.conclusive.Load() < least) {
		t.Error("the changes are too many or too few to show anything")
	}
}
