// The server for plain Envoys. TCP ingress, since HTTP ingress ends a quiet stream after four minutes; its TLS is its own. One replica:
// one server keeps the endpoints of a data plane. Only the virtual network reaches it.
param location string
param tags object
param token string
param image string
param registryId string
param subnetId string
param identityId string
param identityClientId string
param cosmosEndpoint string
param cosmosDatabase string
param cosmosContainer string
param workspaceId string

var adsPort = 18000
var doorPort = 18001

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: 'cae-${token}'
  location: location
  tags: tags
  properties: {
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    vnetConfiguration: {
      internal: true
      infrastructureSubnetId: subnetId
    }
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
  }
}

resource xds 'Microsoft.App/containerApps@2025-01-01' = {
  name: 'ca-xds-${token}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryId) ? [] : [
        {
          server: '${last(split(registryId, '/'))}.azurecr.io'
          identity: identityId
        }
      ]
      ingress: {
        external: true
        transport: 'tcp'
        targetPort: adsPort
        exposedPort: adsPort
        additionalPortMappings: [
          {
            external: true
            targetPort: doorPort
            exposedPort: doorPort
          }
        ]
      }
    }
    template: {
      containers: [
        {
          name: 'xds'
          image: image
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: [
            { name: 'COSMOS__accountEndpoint', value: cosmosEndpoint }
            { name: 'COSMOS__clientId', value: identityClientId }
            { name: 'COSMOS__database', value: cosmosDatabase }
            { name: 'COSMOS__container', value: cosmosContainer }
            { name: 'MESHWRIGHT_XDS_PORT', value: string(adsPort) }
            { name: 'MESHWRIGHT_XDS_DOOR_PORT', value: string(doorPort) }
          ]
        }
      ]
      scale: {
        minReplicas: 1
        maxReplicas: 1
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: environment
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
    ]
  }
}

output adsAddress string = '${environment.properties.staticIp}:${adsPort}'
output doorUrl string = 'http://${environment.properties.staticIp}:${doorPort}'
