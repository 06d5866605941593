package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/throttle"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	limit    = 30 * time.Second // for what should take no time
	password = "correct horse"
	prefix   = "/api/v1"
)

var secret = []byte("a secret of the tests, long enough for HS256")

// env is a running gateway with everything real around it.
type env struct {
	nats    *natstest.Server
	store   *sqlite.Store
	gateway *gateway.Gateway
	url     string
	client  *http.Client
	logs    *syncBuffer
	admin   string // tokens
	support string
	router  routers.Router
	doc     *openapi3.T
	stop    func()
}

type option func(*setup)

type setup struct {
	cfg   gateway.Config
	ui    fs.FS
	store func(gateway.Store) gateway.Store
}

func start(t testing.TB, options ...option) *env {
	t.Helper()
	s := setup{
		cfg: gateway.Config{
			Addr: "127.0.0.1:0", JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: bcrypt.MinCost,
			SyncWait: limit, VisibleWait: limit, RefusalStep: time.Millisecond,
			AddressLimit: throttle.Limit{Burst: 1000, Every: time.Millisecond}, AccountLimit: throttle.Limit{Burst: 1000, Every: time.Millisecond},
		},
		ui:    fstest.MapFS{"index.html": {Data: []byte("<!doctype html><title>app</title>")}, "assets/a-1.js": {Data: []byte("1")}},
		store: func(st gateway.Store) gateway.Store { return st },
	}
	for _, o := range options {
		o(&s)
	}
	e := &env{nats: natstest.Start(t), logs: &syncBuffer{}}
	e.store = sqlitetest.Open(t)
	addUser(t, e.store, store.User{ID: "admin", Name: "Ada", Designation: "IT", Avatar: "a.png", Type: "A", Active: true})
	addUser(t, e.store, store.User{ID: "support", Name: "Sam", Type: "S", Active: true})
	_, _, log := e.nats.Client(t, "gateway")
	var err error
	e.gateway, err = gateway.New(s.cfg, log, s.store(e.store), s.ui, slog.New(slog.NewJSONHandler(e.logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.gateway.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.url = "http://" + e.gateway.Addr().String()
	e.run(t)
	e.loadDescription(t)
	e.admin, e.support = e.signIn(t, "admin"), e.signIn(t, "support")
	eventually(t, "both sign-ins are in the log", func() bool { return e.identity(t).LastSeq == 2 })
	return e
}

func (e *env) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- e.gateway.Run(ctx) }()
	transport := &http.Transport{}
	e.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
		transport.CloseIdleConnections()
	})
	t.Cleanup(e.stop)
}

func addUser(t testing.TB, st *sqlite.Store, u store.User) {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u.PasswordHash = string(h)
	if err := st.AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

// call is one request; path is under the API's prefix.
type call struct {
	method string // GET when empty
	path   string
	token  string
	body   string
	header map[string]string
}

func (e *env) request(ctx context.Context, t testing.TB, c call) *http.Request {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, e.url+prefix+c.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	return r
}

// do makes a request, holds the answer against the description, and gives
// status, header and body. It must not be a stream.
func (e *env) do(t testing.TB, c call) (int, http.Header, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	r := e.request(ctx, t, c)
	res, err := e.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, c.path, err)
	}
	e.validate(t, r, res, body)
	return res.StatusCode, res.Header, body
}

// get is do for an answer of one type and status.
func get[T any](t testing.TB, e *env, status int, c call) T {
	t.Helper()
	got, _, body := e.do(t, c)
	if got != status {
		t.Fatalf("%s %s: status %d and not %d: %s", c.method, c.path, got, status, body)
	}
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func closeBody(t testing.TB, res *http.Response) {
	t.Helper()
	if err := res.Body.Close(); err != nil {
		t.Errorf("close the answer: %v", err)
	}
}

type failure struct{ Status, Message string }

func (e *env) signIn(t testing.TB, user string) string {
	t.Helper()
	return get[struct{ Token string }](t, e, http.StatusOK, login(user, password)).Token
}

func login(user, pw string) call {
	b, err := json.Marshal(map[string]string{"userId": user, "password": pw})
	if err != nil {
		panic(err)
	}
	return call{method: http.MethodPost, path: "/auth/login", body: string(b)}
}

// append stores an event and gives its sequence.
func (e *env) append(t testing.TB, p events.Payload) uint64 {
	t.Helper()
	seq, _, err := e.nats.Log.Append(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// eventually polls until ok, which says what is missing.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
		<-tick.C
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
