# Varnish 7 before Copydesk, with vmod_xkey (Debian: varnish, varnish-modules). Everything that changes is purged by
# CMS_PURGE_URLS=varnish://THIS-HOST:PORT, so that answers may be kept for long (CMS_SHARED_CACHE_SECONDS=86400).
vcl 4.1;

import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
}

# The addresses of cms serve and cms worker.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Forbidden"));
        }
        set req.http.n = xkey.purge(req.http.xkey);
        return (synth(200, "Purged " + req.http.n));
    }
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    if (req.http.Accept ~ "text/event-stream") {
        return (pass);
    }
    # Answers differ by what their client takes: two kinds are enough.
    if (req.url ~ "^/graphql") {
        if (req.http.Accept ~ "application/graphql-response\+json") {
            set req.http.Accept = "application/graphql-response+json";
        } else {
            set req.http.Accept = "application/json";
        }
    }
    # What bears Authorization or a cookie is passed on by what Varnish does by itself.
}

sub vcl_pipe {
    if (req.http.upgrade) {
        set bereq.http.upgrade = req.http.upgrade;
        set bereq.http.connection = req.http.connection;
    }
}

sub vcl_backend_response {
    set beresp.http.xkey = beresp.http.Surrogate-Key;
    # What readers may not see any more is not shown for the sake of speed.
    set beresp.grace = 0s;
}

sub vcl_deliver {
    unset resp.http.xkey;
    unset resp.http.Surrogate-Key;
    unset resp.http.Cache-Tag;
}
