package gateway

import (
	"net/http"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/throttle"
	"backupmonitor/services/internal/capacity"
)

// Config is what a deployment chooses. Fields without a remark have no
// default.
type Config struct {
	Addr      string // host:port to listen on, as :3004
	JWTSecret []byte // at least auth.MinSecretBytes
	// JWTSecretPrevious still verifies tokens, while a secret is changed; nil:
	// there is none.
	JWTSecretPrevious []byte
	TokenLifetime     time.Duration
	// TLSCert and TLSKey are files in PEM, read anew when they change; both
	// empty: plain HTTP.
	TLSCert, TLSKey string
	TrustedProxies  []string // addresses and networks, see package peer
	// ScanPublic lets strangers start and follow scans at the original
	// system's paths.
	ScanPublic    bool
	CORSOrigins   []string       // origins other than the gateway's own, as http://localhost:3000
	Zone          *time.Location // decides which day it is; nil: UTC
	AdminUserID   string         // the first Admin
	AdminPassword string         // empty: one is made up
	ScanDeadline  time.Duration  // of scans asked for here; 0: 2 h
	Probing       Probing        // of the deployment's probers
	// SyncWait is how long a re-sync waits for its looks before it answers
	// with what there is; 0: 50 s.
	SyncWait time.Duration
	// VisibleWait is how long the end of a scan waits for the tables to show
	// it; 0: 10 s.
	VisibleWait time.Duration
	// BodyTimeout is how long the body of a request may take to come; 0: 30 s.
	BodyTimeout time.Duration
	BcryptCost  int // of new passwords; 0: auth.Cost
	// RefusalStep is what the time of a refused sign-in is rounded up to; 0:
	// 250 ms.
	RefusalStep time.Duration
	// AddressLimit and AccountLimit hold back tries to sign in; zero: 30 at
	// once and one each 2 s, 10 at once and one each 6 s.
	AddressLimit, AccountLimit throttle.Limit
	// Capacity measures the log; nil: the gateway does, and knows no disk.
	Capacity *capacity.Meter
	// PreviewLooks is how many looks a preview of a policy may have to judge; 0:
	// 250,000.
	PreviewLooks uint64
	// Archives is the directory of what was archived of the log; "": this
	// gateway has none.
	Archives string
	// Checks are asked by /readyz besides the gateway's own.
	Checks  []Check
	Metrics http.Handler // at /metrics; nil: there is none
	// Refused is told of each connection that is closed because too many are open;
	// nil: nobody is.
	Refused func(Bound)
	Now     func() time.Time // nil: time.Now
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.ScanDeadline, 2*time.Hour)
	c.Probing = c.Probing.withDefaults()
	set(&c.SyncWait, 50*time.Second)
	set(&c.VisibleWait, 10*time.Second)
	set(&c.BodyTimeout, 30*time.Second)
	set(&c.RefusalStep, 250*time.Millisecond)
	if c.AddressLimit == (throttle.Limit{}) {
		c.AddressLimit = throttle.Limit{Burst: 30, Every: 2 * time.Second}
	}
	if c.AccountLimit == (throttle.Limit{}) {
		c.AccountLimit = throttle.Limit{Burst: 2 * auth.LockAt, Every: 6 * time.Second}
	}
	if c.BcryptCost == 0 {
		c.BcryptCost = auth.Cost
	}
	if c.PreviewLooks == 0 {
		c.PreviewLooks = previewLooks
	}
	if c.Refused == nil {
		c.Refused = func(Bound) {}
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
