# The encoder as an image: pods copy it at their start, so that a rollout carries encoder and settings together.
#   docker build -f deploy/kubernetes/bundle.Dockerfile -t xqg-bundle:TAG var/demo/bundle
FROM busybox:1.37.0
# readable for the pods' user, whatever umask the bundle was exported with
COPY --chmod=0755 . /bundle
