package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/signature"
)

// signerFlags say whom to believe of who signed an image.
type signerFlags struct {
	keys, roots               []string
	identity, identityPattern string
	issuer, issuerPattern     string
	attestations              []string
	verify                    bool // something is decided by who signed
}

func (f *signerFlags) add(flags *pflag.FlagSet) {
	f.trusted(flags)
	flags.StringArrayVar(&f.attestations, "attestation", nil, "type of an attestation that must be there: slsaprovenance1, spdxjson, cyclonedx, openvex, vuln or its full address; may be repeated")
	flags.BoolVar(&f.verify, "verify", false, "exit with 1 unless the image is signed as the flags above say")
}

// trusted adds the flags that say whom to believe.
func (f *signerFlags) trusted(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.keys, "key", nil, "file with a public key, as cosign writes it, that may have signed the image; may be repeated")
	flags.StringArrayVar(&f.roots, "trusted-root", nil, "file with a trusted root of sigstore: authorities and logs to believe signatures without a key by; may be repeated")
	flags.StringVar(&f.identity, "identity", "", "who must have signed by a certificate: an address, or the address of a workflow")
	flags.StringVar(&f.identityPattern, "identity-regexp", "", "the same as a regular expression that must match all of it")
	flags.StringVar(&f.issuer, "issuer", "", "who must have checked the identity, such as https://token.actions.githubusercontent.com")
	flags.StringVar(&f.issuerPattern, "issuer-regexp", "", "the same as a regular expression that must match all of it")
}

// demand is nil when nobody asks who signed the image.
func (f *signerFlags) demand() (*signature.Demand, error) {
	asks := f.identity + f.identityPattern + f.issuer + f.issuerPattern
	switch {
	case f.identity != "" && f.identityPattern != "":
		return nil, errors.New("--identity and --identity-regexp: give one of them")
	case f.issuer != "" && f.issuerPattern != "":
		return nil, errors.New("--issuer and --issuer-regexp: give one of them")
	case asks != "" && len(f.roots) == 0:
		return nil, errors.New("--identity and --issuer are proven by --trusted-root FILE: give that too (the public one is what `cosign trusted-root create` and `gh attestation trusted-root` write)")
	case (f.verify || len(f.attestations) > 0) && len(f.keys) == 0 && len(f.roots) == 0:
		return nil, errors.New("--verify and --attestation need somebody to believe: give --key FILE, or --trusted-root FILE with --identity and --issuer")
	case f.verify && (len(f.keys) == 0 && len(f.roots) > 0 || asks != "") && (f.identity+f.identityPattern == "" || f.issuer+f.issuerPattern == ""):
		return nil, errors.New("--trusted-root would believe anybody who has an account somewhere: give both --identity and --issuer")
	case len(f.keys) == 0 && len(f.roots) == 0:
		return nil, nil
	}
	d := &signature.Demand{Identity: signature.Match{Exact: f.identity}, Issuer: signature.Match{Exact: f.issuer}}
	for _, p := range []struct {
		flag, text string
		to         *signature.Match
	}{{"--identity-regexp", f.identityPattern, &d.Identity}, {"--issuer-regexp", f.issuerPattern, &d.Issuer}} {
		if p.text == "" {
			continue
		}
		var err error
		if *p.to, err = signature.Pattern(p.text); err != nil {
			return nil, fmt.Errorf("%s: %w", p.flag, err)
		}
	}
	for _, name := range f.attestations {
		predicate, err := signature.Predicate(name)
		if err != nil {
			return nil, fmt.Errorf("--attestation: %w", err)
		}
		d.Predicates = append(d.Predicates, predicate)
	}
	return d, f.read(d)
}

// read reads the files that say whom to believe.
func (f *signerFlags) read(d *signature.Demand) error {
	for _, file := range f.keys {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		key, err := signature.ParseKey(text)
		if err != nil {
			return fmt.Errorf("--key %s: %w", file, err)
		}
		d.Keys = append(d.Keys, key)
	}
	for _, file := range f.roots {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--trusted-root: %w", err)
		}
		roots, err := signature.ParseRoots(text)
		if err != nil {
			return fmt.Errorf("--trusted-root %s: %w", file, err)
		}
		d.Roots = append(d.Roots, roots...)
	}
	return nil
}

// hold fails when the image is not signed as was demanded.
func (f *signerFlags) hold(r *scan.Result) error {
	s := &r.Signatures
	if !f.verify || s.State == signature.Verified {
		return nil
	}
	reason := map[signature.State]string{
		signature.Unsigned:     "nothing is attached to it",
		signature.NotVerified:  "none of what is attached to it is by whom you asked for",
		signature.Unknown:      "it could not be found out",
		signature.NotLookedFor: "read it from a registry or an OCI layout",
	}[s.State]
	if s.Why != "" {
		reason = s.Why + ": " + reason
	}
	return &codeError{exitFindings, fmt.Errorf("image %s: --verify: its signer is not verified: %s", r.Image.Reference, reason)}
}

// signed says in one line whether somebody vouches for the image.
func (p *imagePrinter) signed(s *signature.Result) {
	switch s.State {
	case signature.NotLookedFor:
		if s.Why != "" {
			p.entry("signed", "not looked for: "+s.Why)
			return
		}
		p.entry("signed", "not looked for (--key, or --trusted-root with --identity and --issuer)")
	case signature.Unknown:
		p.painted("signed", "not known: "+s.Why, red)
	case signature.Unsigned:
		p.painted("signed", "no: neither signature nor attestation is attached to it", yellow)
	case signature.NotVerified:
		why := "none of what is attached to it is by whom you asked for"
		if s.Why != "" {
			why = s.Why
		}
		p.painted("signed", "NOT VERIFIED: "+why, red)
	case signature.Verified:
		if s.Why != "" {
			p.painted("signed", "verified, but "+s.Why, yellow)
			return
		}
		p.painted("signed", "yes, verified", green)
	}
}

// signatures lists what is attached to the image.
func (p *imagePrinter) signatures(s *signature.Result) {
	if len(s.Signatures) == 0 {
		return
	}
	p.section("Who vouches for it")
	shown := s.Signatures
	if !p.verbose {
		shown = shown[:min(len(shown), shownOfImage)]
	}
	for i := range shown {
		g := &shown[i]
		name, style := "verified", green
		if !g.Verified {
			name, style = "not verified", yellow
		}
		p.painted(name, strings.Join(signatureParts(g), ", "), style)
	}
	if rest := len(s.Signatures) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
}

func signatureParts(g *signature.Signature) []string {
	parts := []string{string(g.Kind)}
	if g.Predicate != "" {
		parts[0] += " " + g.Predicate
	}
	if !g.Verified {
		return append(parts, g.Why)
	}
	if g.Identity != "" {
		parts = append(parts, "by "+g.Identity, "known to "+g.Issuer)
	} else {
		parts = append(parts, "by the key "+shortDigest(g.Key))
	}
	if g.Builder != "" {
		parts = append(parts, "built by "+g.Builder)
	}
	switch {
	case !g.Logged.IsZero():
		parts = append(parts, "logged "+g.Logged.Format("2006-01-02 15:04")+" UTC")
	case !g.Stamped.IsZero():
		parts = append(parts, "stamped "+g.Stamped.Format("2006-01-02 15:04")+" UTC")
	}
	return parts
}

// shortDigest is enough of a digest to know it again.
func shortDigest(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

type signaturesJSON struct {
	State string          `json:"state"` // verified, not verified, unsigned, unknown, not looked for
	Why   string          `json:"why,omitempty"`
	Found []signatureJSON `json:"found"`
}

type signatureJSON struct {
	Kind      string          `json:"kind"` // signature, attestation
	Verified  bool            `json:"verified"`
	Why       string          `json:"why,omitempty"` // why it is not
	Subject   string          `json:"subject"`
	Predicate string          `json:"predicateType,omitempty"`
	Builder   string          `json:"builder,omitempty"`
	Identity  string          `json:"identity,omitempty"`
	Issuer    string          `json:"issuer,omitempty"`
	Key       string          `json:"key,omitempty"`
	Logged    *time.Time      `json:"logged,omitempty"`
	LogIndex  *int64          `json:"logIndex,omitempty"`
	Stamped   *time.Time      `json:"stamped,omitempty"`
	Statement json.RawMessage `json:"statement,omitempty"` // only of what is verified
}

func newSignaturesJSON(s *signature.Result) *signaturesJSON {
	j := &signaturesJSON{State: string(s.State), Why: s.Why, Found: []signatureJSON{}}
	for i := range s.Signatures {
		g := &s.Signatures[i]
		one := signatureJSON{
			Kind: string(g.Kind), Verified: g.Verified, Why: g.Why, Subject: g.Subject, Predicate: g.Predicate, Builder: g.Builder,
			Identity: g.Identity, Issuer: g.Issuer, Key: g.Key,
		}
		if !g.Logged.IsZero() {
			one.Logged = &g.Logged
		}
		if g.LogIndex >= 0 {
			one.LogIndex = &g.LogIndex
		}
		if !g.Stamped.IsZero() {
			one.Stamped = &g.Stamped
		}
		if g.Verified {
			one.Statement = slices.Clip(g.Statement)
		}
		j.Found = append(j.Found, one)
	}
	return j
}
