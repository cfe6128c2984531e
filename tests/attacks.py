"""Documents that were made to exhaust a GraphQL server, by the names that the tests know them by."""

from __future__ import annotations


def bomb(fragments: int, spreads: int, *, on: str = "Article", leaf: str = "id") -> str:
    """Fragments that each spread the next one several times."""
    bodies = [" ".join([f"...F{i + 1}"] * spreads) for i in range(fragments - 1)] + [leaf]
    return " ".join(f"fragment F{i} on {on} {{ {body} }}" for i, body in enumerate(bodies))


def chain(fragments: int) -> str:
    return "{ articles { nodes { ...F0 } } } " + bomb(fragments, 1)


def nested(levels: int) -> str:
    return "{ articles { nodes " + "{ relatedPosts { article " * levels + "{ id }" + " } }" * levels + " } }"


ARTICLES = "{ articles { nodes { ...F0 } } } "
# By row of the list of attacks: G1 and so on.
DOCUMENTS = {
    "G1-8x8": ARTICLES + bomb(8, 8),
    "G1-20x2": ARTICLES + bomb(20, 2),
    "G1-60x2": ARTICLES + bomb(60, 2),
    "G2-cycle": ARTICLES + "fragment F0 on Article { ...Y } fragment Y on Article { ...F0 }",
    "G2-cycle-below": ARTICLES + "fragment F0 on Article { relatedPosts { article { ...F0 ...F0 } } }",
    "G3-same-alias": "{" + " ".join(f'q: node(id: "{i}") {{ id }}' for i in range(1000)) + "}",
    "G3-same-alias-few": "{" + " ".join(f'q: node(id: "{i}") {{ id }}' for i in range(150)) + "}",
    "G3-inline": "{ articles { nodes { " + "... on Article { tags { name tags: name } } " * 100 + "} } }",
    "G3-tree": "{" + "articles { nodes { tags { name name } tags { name name } } } " * 40 + "}",
    "G4-comments": "{ site { name } }" + "#\n" * 350_000,
    "G4-comments-few": "{ site { name } }" + "#\n" * 10_000,
    "G6-aliases": "{" + " ".join(f"a{i}: site {{ name }}" for i in range(8_000)) + "}",
    "G6-aliases-in-fragment": "{ site { ...A } b: site { ...A } } fragment A on Site {"
    + " ".join(f"a{i}: name" for i in range(20))
    + "}",
    "G7-duplicates": "{ articles { nodes {" + " headline" * 16_000 + " } } }",
    "G7-duplicates-few": "{ articles { nodes {" + " headline" * 1_400 + " } } }",
    "G8-directives": "{ site { name " + "@skip(if: false) " * 10_000 + "} }",
    "G8-directives-few": "{ site { name " + "@skip(if: false) " * 51 + "} }",
    "G9-introspection": "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }",
    "G9-bomb": "{ __schema { types { ...F0 } } } " + bomb(12, 3, on="__Type", leaf="name"),
    "G10-pages": "{ articles(first: 100) { nodes { section { articles(first: 100) { nodes { tags "
    "{ articles(first: 100) { nodes { id } } } } } } } } }",
    "G10-last": "{ articles(first: 1, last: 1000000) { nodes { id } } }",
    "G11-nested": nested(150),
    "G11-deep": "{a" * 10_000,
    "G11-lists": "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
    "G11-filter": "{ articles(filter: " + "{and: [" * 6 + "{hasLeadMedia: true}" + "]}" * 6 + ") { totalCount } }",
    "G17-string": '{ node(id: "' + "x" * 5_000_000 + '") { id } }',
    "chain-240": chain(240),
    "chain-1000": chain(1_000),
    "inline-600": "{" + "... {" * 600 + "site { name }" + "}" * 601,
}
