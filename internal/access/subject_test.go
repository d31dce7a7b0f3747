package access

import "testing"

// Those without a login stand for everybody, and nobody else is anonymous.
func TestAnonymous(t *testing.T) {
	for text, want := range map[string]bool{
		"user:system:anonymous": true, "group:system:unauthenticated": true, "group:system:anonymous": false, "user:system:unauthenticated": false,
		"group:system:authenticated": false, "group:system:serviceaccounts": false, "sa:shop/system": false, "user:developer": false,
	} {
		s, err := ParseSubject(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Anonymous() != want || want && s.Everybody() == "" {
			t.Errorf("%s: anonymous %v, everybody %q", s, s.Anonymous(), s.Everybody())
		}
	}
}
