package signaturetest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/bits"
)

// The log that entries are put into has others before and behind them.
const (
	treeSize = 11
	treeAt   = 6
)

// tree is the leaves of a log with a body among others.
func tree(body []byte) [][]byte {
	leaves := make([][]byte, treeSize)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "another entry %d", i)
	}
	leaves[treeAt] = body
	for i, leaf := range leaves {
		sum := sha256.Sum256(concat([]byte{0}, leaf))
		leaves[i] = sum[:]
	}
	return leaves
}

// rootOf is the root of a tree, as RFC 9162, 2.1.1 defines it.
func rootOf(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	sum := sha256.Sum256(concat([]byte{1}, rootOf(leaves[:k]), rootOf(leaves[k:])))
	return sum[:]
}

// pathTo is the proof that a leaf is in a tree, as RFC 9162, 2.1.3.1 defines it.
func pathTo(leaves [][]byte, at int) [][]byte {
	if len(leaves) == 1 {
		return nil
	}
	if k := split(len(leaves)); at < k {
		return append(pathTo(leaves[:k], at), rootOf(leaves[k:]))
	} else {
		return append(pathTo(leaves[k:], at-k), rootOf(leaves[:k]))
	}
}

// split is the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// proof is the proof for a body, in the form of a bundle.
func (a *Authority) proof(body []byte) map[string]any {
	leaves := tree(body)
	root := rootOf(leaves)
	text := fmt.Sprintf("log.test - 42\n%d\n%s\n", treeSize, base64.StdEncoding.EncodeToString(root))
	note := concat(a.keyID(a.logKey)[:4], a.sign(a.logKey, []byte(text)))
	return map[string]any{
		"logIndex": fmt.Sprint(treeAt), "treeSize": fmt.Sprint(treeSize), "rootHash": root, "hashes": pathTo(leaves, treeAt),
		"checkpoint": map[string]any{"envelope": text + "\n— log.test " + base64.StdEncoding.EncodeToString(note) + "\n"},
	}
}
