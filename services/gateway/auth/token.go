package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"backupmonitor/services/internal/store"
)

// MinSecretBytes is the least length of the key of HS256: as long as its hash.
// Source: RFC 7518, section 3.2.
const MinSecretBytes = 32

const (
	issuer   = "backup-monitor"
	audience = "backup-monitor-api"
	// leeway covers the difference between the clocks of two gateways.
	leeway = 30 * time.Second
)

// ErrBadToken says that a token is not one of ours, or no longer good.
var ErrBadToken = errors.New("bad token")

// Tokens issues and verifies tokens: HS256 and nothing else, with issuer,
// audience, subject, time of issue and expiry all required.
type Tokens struct {
	secret   []byte
	lifetime time.Duration
	now      func() time.Time
	parser   *jwt.Parser
}

// NewTokens refuses a secret shorter than MinSecretBytes and a lifetime that
// is not positive.
func NewTokens(secret []byte, lifetime time.Duration, now func() time.Time) (*Tokens, error) {
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("JWT_SECRET_KEY has %d bytes: it needs at least %d", len(secret), MinSecretBytes)
	}
	if lifetime <= 0 {
		return nil, fmt.Errorf("JWT_EXPIRATION_HOURS gives a lifetime of %s: it must be positive", lifetime)
	}
	return &Tokens{
		secret: secret, lifetime: lifetime, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithAudience(audience),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(leeway),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(now),
		),
	}, nil
}

// Issue makes a token for u. It names the user and nothing else: role and
// status are read anew with each request.
func (t *Tokens) Issue(u store.User) (string, error) {
	now := t.now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer:    issuer,
		Audience:  jwt.ClaimStrings{audience},
		Subject:   u.ID,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(t.lifetime)),
	}).SignedString(t.secret)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// Verify gives the user id that the token was issued for and its expiry, UTC.
// Errors wrap ErrBadToken.
func (t *Tokens) Verify(token string) (userID string, expires time.Time, err error) {
	var claims jwt.RegisteredClaims
	_, err = t.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return t.secret, nil })
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	if claims.Subject == "" || claims.IssuedAt == nil {
		return "", time.Time{}, fmt.Errorf("%w: without subject or time of issue", ErrBadToken)
	}
	return claims.Subject, claims.ExpiresAt.UTC(), nil
}
